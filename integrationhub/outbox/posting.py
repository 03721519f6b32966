"""Put a message into the outbox."""

from typing import Any
from uuid import UUID

from django.db import connection

from integrationhub.outbox.models import OutboxMessage


def post(*, tenant_id: UUID, task: str, queue: str, request_id: str = "", **arguments: Any) -> None:
    """Write one task for the relay to publish, inside the caller's `tenant_scope`. `arguments` are ids, JSON-able."""
    OutboxMessage.objects.create(
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
