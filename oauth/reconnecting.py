"""Mending a connection that is there: by a refresh, or by its owner, who goes through the flow again."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import InvalidRequest
from oauth import authorizing, connections, refreshing
from oauth.authorizing import Started, Wish
from oauth.models import Connection
from providers import schema_faults

SECONDS = 15
RECONNECT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "redirect_uri": {"type": "string", "maxLength": 500, "description": "one of the client's redirect_uris"},
        "return_to": {"type": "string", "maxLength": 500, "description": "where its owner goes afterwards"},
    },
    "additionalProperties": False,
}
_asked = schema_faults.compiled(RECONNECT_SCHEMA)


def refresh(*, tenant_id: UUID, connection_id: str) -> Connection:
    """Raises as `refreshing.refreshed` does."""
    found = connections.get(tenant_id=tenant_id, connection_id=connection_id)
    return refreshing.refreshed(
        tenant_id=tenant_id, connection_id=found.id, deadline=Deadline.after(SECONDS), is_forced=True
    )


def start(*, tenant_id: UUID, connection_id: str, subject: str, asked: Mapping[str, Any]) -> Started:
    """A flow for the scopes that the connection needs. Raises ConnectionNotFound, InvalidRequest, and what
    `authorizing.start` does."""
    found = connections.get(tenant_id=tenant_id, connection_id=connection_id)
    if faults := schema_faults.faults(_asked, asked):
        names = ", ".join(fault["field"] for fault in faults)
        raise InvalidRequest(f"The request is not valid: {names}.", reason="invalid_fields", fields=faults)
    return authorizing.start(
        tenant_id=tenant_id,
        provider_key=found.provider,
        subject=subject,
        wish=Wish(scopes=found.required_scopes, connection_id=found.id, **asked),
    )
