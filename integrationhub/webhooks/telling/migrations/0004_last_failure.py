from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telling", "0003_older_secret")]

    operations = [migrations.AddField("subscription", "last_failed_at", models.DateTimeField(null=True))]
