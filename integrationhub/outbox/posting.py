"""Put a message into the outbox."""

from typing import Any
from uuid import UUID

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
