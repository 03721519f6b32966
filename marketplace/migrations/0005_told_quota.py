from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0004_usage_told")]

    operations = [
        migrations.AddField(
            "subscription",
            "told_quota",
            models.PositiveBigIntegerField(editable=False, help_text="Of which quota that was.", null=True),
        ),
    ]
