from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('templates', '0001_templates'),
    ]

    operations = [
        migrations.AddField(
            model_name='messagetemplate',
            name='told_times',
            field=models.JSONField(db_default={}, default=dict, help_text="When, by Meta's clock, what webhooks told was so: by their fields."),
        ),
    ]
