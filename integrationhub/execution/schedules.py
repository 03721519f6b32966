"""The schedules that an installation starts with; operators edit the rows, so what is there is left as it is."""

from dataclasses import dataclass

from django_celery_beat.models import IntervalSchedule, PeriodicTask


@dataclass(frozen=True, slots=True)
class Schedule:
    name: str
    task: str
    every: int
    period: str


SCHEDULES = (
    Schedule("Settle executions left behind", "integrationhub.execution.tasks.settle_executions", 10, "seconds"),
    Schedule("Make the partitions of the months ahead", "integrationhub.execution.tasks.make_partitions", 1, "days"),
    Schedule("Delete what the vault keeps for no row", "credentials.tasks.sweep_the_vault", 60, "seconds"),
    Schedule("Forget stored answers after a day", "integrationhub.execution.tasks.forget_old_answers", 1, "hours"),
    Schedule("Forget dead payloads after a week", "integrationhub.execution.tasks.forget_dead_payloads", 1, "hours"),
    Schedule("Forget events after ninety days", "integrationhub.execution.tasks.forget_old_events", 1, "days"),
    Schedule("Tell of credentials that expire", "credentials.tasks.tell_expiry", 1, "hours"),
    Schedule("Refresh connections that are due", "oauth.tasks.refresh_connections", 30, "seconds"),
    Schedule("Tell of connections that end", "oauth.tasks.tell_of_ends", 1, "hours"),
    Schedule("Forget old flows of OAuth", "oauth.tasks.forget_old_flows", 1, "hours"),
    Schedule("Forget sign-ins by SAML that are over", "oauth.saml.tasks.forget_past_sign_ins", 10, "minutes"),
    Schedule("Sync the WhatsApp templates of every tenant", "templates.tasks.ask_for_syncs", 1, "hours"),
    Schedule("Fetch files of WhatsApp that are due", "whatsapp.tasks.ask_for_media", 15, "seconds"),
    Schedule("Forget customers of WhatsApp after their time", "whatsapp.tasks.forget_old", 1, "hours"),
    Schedule("Forget webhooks after thirty days", "integrationhub.webhooks.tasks.forget_old_webhooks", 1, "days"),
    Schedule(
        "Forget webhooks to tenants after thirty days",
        "integrationhub.webhooks.telling.tasks.forget_old_deliveries",
        1,
        "days",
    ),
    Schedule("Tell tenants how much of their quota is used", "marketplace.tasks.tell_usage", 1, "minutes"),
    Schedule("Wipe rotations left behind", "credentials.tasks.wipe_abandoned_rotations", 10, "minutes"),
)


def seed() -> None:
    """Add the schedules that are missing. A tick that finds no worker lapses, so that ticks never pile up."""
    for schedule in SCHEDULES:
        interval, _ = IntervalSchedule.objects.get_or_create(every=schedule.every, period=schedule.period)
        PeriodicTask.objects.get_or_create(
            name=schedule.name,
            defaults={
                "task": schedule.task,
                "interval": interval,
                "queue": "maint",
                "expire_seconds": 10 if schedule.period == "seconds" else 3600,
            },
        )
