from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telling", "0002_what_is_told")]

    operations = [
        migrations.AddField(
            "subscription",
            "older_sealed",
            models.BinaryField(db_default=b"", default=bytes, help_text="The one before that, if it still signs."),
        ),
        migrations.AddField("subscription", "older_until", models.DateTimeField(null=True)),
    ]
