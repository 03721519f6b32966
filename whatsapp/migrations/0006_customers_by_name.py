from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('whatsapp', '0005_proven_numbers'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('user_id', ''), _negated=True), fields=['phone_number_id', 'user_id', '-id'], name='delivery_of_user'),
        ),
    ]
