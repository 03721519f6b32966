"""What happened, for the tenant to be told: written in the transaction of the change it speaks of."""

from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from integrationhub.outbox.models import EVENTS_KEPT, Event


def publish(*, tenant_id: UUID, kind: str, **data: Any) -> None:
    """Write one event, inside the caller's `tenant_scope`: it stands if and only if the change it tells of does.

    `kind` is `<thing>.<what became of it>`, as in "credential.failing"; `data` is JSON-able and holds no secret.
    """
    Event.objects.create(tenant_id=tenant_id, kind=kind, data=data)


def forget_old() -> None:
    """Delete the events of all tenants that are older than `EVENTS_KEPT`."""
    Event.objects.using("system").filter(created_at__lt=Now() - EVENTS_KEPT).delete()
