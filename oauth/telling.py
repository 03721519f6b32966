"""Events about connections."""

from typing import Any

from integrationhub.outbox import events
from oauth.models import Connection


def tell(connection: Connection, kind: str, **more: Any) -> None:
    """In the transaction of what it tells of."""
    events.publish(
        tenant_id=connection.tenant_id,
        kind=kind,
        connection_id=str(connection.id),
        provider=connection.provider,
        account=connection.account,
        **more,
    )
