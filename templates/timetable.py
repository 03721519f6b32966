"""When the sync of every tenant comes next, by the schedule that operators edit."""

from datetime import UTC, datetime, timedelta

from django_celery_beat.models import PeriodicTask

TASK = "templates.tasks.ask_for_syncs"


def next_sync() -> datetime | None:
    """None where the schedule is switched off, or has never run."""
    planned = PeriodicTask.objects.filter(task=TASK, enabled=True).order_by("id").first()
    if planned is None or planned.last_run_at is None:
        return None
    remaining: timedelta = planned.schedule.remaining_estimate(planned.last_run_at)
    return datetime.now(UTC) + remaining
