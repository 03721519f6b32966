from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('storage', '0001_shared_pins'),
    ]

    # With defaults of the database: a process of the version before writes rows too while it is replaced.
    operations = [
        migrations.AddField(
            model_name='sharedpin',
            name='size',
            field=models.BigIntegerField(db_default=0, default=0, help_text='In bytes. Of what was pinned before sizes were written down: 0.'),
        ),
        migrations.AddField(
            model_name='sharedpin',
            name='is_wanted',
            field=models.BooleanField(db_default=True, default=True, help_text='Not: it was taken back, and the node is yet to forget it.'),
        ),
    ]
