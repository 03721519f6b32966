"""What happened, for the tenant to be told: written in the transaction of the change it speaks of."""

import json
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from integrationhub.core import storable
from integrationhub.core.ids import new_id
from integrationhub.outbox.models import EVENTS_KEPT, Event

# `hub_is_wanted` comes with the subscriptions: integrationhub/webhooks/telling.
PUBLISH_IF_WANTED = """
INSERT INTO outbox_event (id, tenant_id, kind, data)
SELECT %(id)s, %(tenant_id)s, %(kind)s, %(data)s::jsonb WHERE hub_is_wanted(%(tenant_id)s, %(kind)s)
"""


def publish(*, tenant_id: UUID, kind: str, **data: Any) -> Event:
    """Write one event, inside the caller's `tenant_scope`: it stands if and only if the change it tells of does.

    `kind` is `<thing>.<what became of it>`, as in "credential.failing"; `data` is JSON-able and holds no secret.
    """
    return Event.objects.create(tenant_id=tenant_id, kind=kind, data=data)


def publish_if_wanted(*, tenant_id: UUID, kind: str, **data: Any) -> None:
    """The same for what happens all the time, as each message does: only where a webhook subscription asks for it.

    `data` may hold what a provider wrote: it is made fit for the database.
    """
    told = json.dumps(storable.json_value(data))
    with connection.cursor() as cursor:
        cursor.execute(PUBLISH_IF_WANTED, {"id": new_id(), "tenant_id": tenant_id, "kind": kind, "data": told})


def forget_old() -> None:
    """Delete the events of all tenants that are older than `EVENTS_KEPT`."""
    Event.objects.using("system").filter(created_at__lt=Now() - EVENTS_KEPT).delete()
