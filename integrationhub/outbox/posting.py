"""Put a message into the outbox."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from integrationhub.outbox.models import OutboxMessage, State


def post(
    *,
    tenant_id: UUID,
    task: str,
    queue: str,
    request_id: str = "",
    not_before: datetime | None = None,
    **arguments: Any,
) -> None:
    """Write one task for the relay to publish, inside the caller's `tenant_scope`. `arguments` are ids, JSON-able."""
    time = {"due_at": not_before, "state": State.SCHEDULED} if not_before else {}
    OutboxMessage.objects.create(
        **time,
        tenant_id=tenant_id,
        task=task,
        queue=queue,
        request_id=request_id,
        arguments={"tenant_id": str(tenant_id), **arguments},
    )


def ring() -> None:
    """Have the relay look for what is due once this transaction is committed, for what is no message (yet)."""
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY hub_outbox")
