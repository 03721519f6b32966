from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('oauth', '0001_connections'),
    ]

    operations = [
        migrations.AddField(
            model_name='connectsession',
            name='opener_origin',
            field=models.CharField(blank=True, db_default='', default='', help_text='Whose page opens it in a pop-up and is told.', max_length=300),
        ),
    ]
