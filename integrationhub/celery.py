"""The Celery application. Tasks are found by name; the relay and beat are the only ones that publish them."""

import os

from celery import Celery
from celery.signals import worker_process_init

from integrationhub.core.parent_death import die_with_parent
from integrationhub.core.task_context import HubTask

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrationhub.settings")

app = Celery("integrationhub", task_cls=HubTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def end_with_the_worker(**_: object) -> None:
    """A pool process whose worker was killed must not live on; Celery offers this moment only as a signal."""
    die_with_parent()
