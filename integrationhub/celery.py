"""The Celery application. Tasks are found by name; the relay and beat are the only ones that publish them."""

import os

from celery import Celery
from celery.signals import worker_init, worker_process_init
from django.core.exceptions import ImproperlyConfigured

from integrationhub.core.checks import refuse_unsafe
from integrationhub.core.parent_death import die_with_parent
from integrationhub.core.task_context import HubTask

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrationhub.settings")

app = Celery("integrationhub", task_cls=HubTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


# Celery offers these two moments only as signals.
@worker_init.connect
def start_safely(**_: object) -> None:
    """A worker refuses what the web process refuses: unsafe settings, a role that passes row-level security."""
    try:
        refuse_unsafe()
    except ImproperlyConfigured as fault:
        raise SystemExit(str(fault)) from fault  # Celery logs an exception raised here, and goes on.


@worker_process_init.connect
def end_with_the_worker(**_: object) -> None:
    """A pool process whose worker was killed must not live on."""
    die_with_parent()
