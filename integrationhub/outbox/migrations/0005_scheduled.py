from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0004_fair_shares")]

    operations = [
        migrations.AlterField(
            model_name="outboxmessage",
            name="state",
            field=models.CharField(
                choices=[("scheduled", "Scheduled"), ("waiting", "Waiting"), ("dead", "Dead")],
                default="waiting",
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="outboxmessage",
            index=models.Index(
                condition=models.Q(("state", "scheduled")), fields=["execution_id"], name="outbox_scheduled_execution"
            ),
        ),
        migrations.AddIndex(
            model_name="outboxmessage",
            index=models.Index(condition=models.Q(("state", "scheduled")), fields=["due_at"], name="outbox_scheduled"),
        ),
    ]
