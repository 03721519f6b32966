"""A Celery worker that two texts are bad for: `poison` kills its process, `hang` never ends and will not be told to.

`celery --app tests.crash.poisoned_worker worker`
"""

import os
import signal
import time
from contextlib import suppress

import django
from celery.exceptions import SoftTimeLimitExceeded

from integrationhub.celery import app

__all__ = ["app"]

django.setup()
# The settings' limits, short enough for a test.
app.conf.update(task_soft_time_limit=5, task_time_limit=8)

from integrationhub.execution import routing  # noqa: E402  Its models need what the line above does.
from integrationhub.execution.order import Order  # noqa: E402
from integrationhub.execution.routing import Chain  # noqa: E402

plan = routing.chain_for


def plan_to_ones_ruin(order: Order) -> Chain:
    """What a worker does before the first attempt of a run."""
    if order.payload["text"] == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    while order.payload["text"] == "hang":
        with suppress(SoftTimeLimitExceeded):
            time.sleep(60)
    return plan(order)


routing.chain_for = plan_to_ones_ruin
