"""What tests of executions with connections have in common: connected accounts, and installed mailboxes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connections as databases

from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox.models import Event
from oauth import keeping, table
from oauth.models import Connection
from oauth.protocol import Tokens
from providers.models import Provider
from tests.make import Api
from tests.providers.carriers import CarrierServer
from tests.providers.mailboxes import TOKEN

SCOPE = {"google": "https://www.googleapis.com/auth/gmail.send", "microsoft": "Mail.Send"}


def connect(
    tenant: UUID,
    provider: str = "google",
    *,
    scopes: tuple[str, ...] | None = None,
    is_refreshable: bool = True,
    expires_in: int = 3600,
) -> str:
    """The id of a connected account, its tokens given just now."""
    granted = (SCOPE[provider],) if scopes is None else scopes
    connection = Connection(tenant_id=tenant, provider=provider, account_id=str(uuid4()), account="ada@example.com")
    connection.subject = "tester"
    refresh_token = "refresh-1" if is_refreshable else None
    tokens = Tokens(TOKEN, refresh_token=refresh_token, scopes=granted, expires_in=expires_in)
    keeping.take(connection, table.get(provider), tokens, datetime.now(UTC))
    with tenant_scope(tenant):
        connection.save(force_insert=True)
    return str(connection.id)


def row(connection_id: str) -> Connection:
    found: Connection = Connection.objects.using("system").get(id=connection_id)
    return found


def change(tenant: UUID, connection_id: str, **members: Any) -> None:
    with tenant_scope(tenant):
        Connection.objects.for_tenant(tenant).filter(id=connection_id).update(**members)


def change_meanwhile(tenant: UUID, connection_id: str, **members: Any) -> None:
    """The same in the thread of a server that a test started: what it borrows of the pool it gives back."""
    change(tenant, connection_id, **members)
    databases.close_all()


def ended() -> datetime:
    """A moment at which a token has ended already."""
    return datetime.now(UTC) - timedelta(seconds=1)


def events(tenant: UUID) -> list[tuple[str, dict[str, Any]]]:
    rows = Event.objects.using("system").filter(tenant_id=tenant, kind__startswith="connection.").order_by("id")
    return [(event.kind, event.data) for event in rows]


def install(api: Api, mailbox: CarrierServer, *, priority: int = 1, **config: Any) -> str:
    """The id of the installation; the provider is where this server is."""
    Provider.objects.filter(provider_key=mailbox.key).update(base_url=mailbox.base_url)
    body = {"config": config, "priority": priority}
    answer = api.post(f"/marketplace/integrations/{mailbox.key}/install", body)
    assert answer.status_code == 201, answer.content
    found: str = answer.json()["id"]
    return found


def mail(**options: Any) -> dict[str, Any]:
    payload = {"to": ["ada@example.com"], "subject": "Your receipt", "text": "Thank you, Ada."}
    body = {"category": "messaging", "intent": "message.send.email", "payload": payload}
    return {**body, "options": options} if options else body
