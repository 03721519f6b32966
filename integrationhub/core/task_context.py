"""The base of every Celery task: its log lines and outgoing calls carry the id of the request it was born of."""

from typing import Any

import structlog
from celery import Task
from django.db import close_old_connections


class HubTask(Task):
    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run with the message's request id (made by the relay from the outbox row) in the log context."""
        request_id = getattr(self.request, "request_id", None) or self.request.id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, task=self.name)
        try:
            return super().__call__(*args, **kwargs)
        finally:
            close_old_connections()  # Back into their pools, as after a request.
