"""Links that let somebody without a token of ours connect one account: made by a tenant, opened in a browser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from credentials import binding
from credentials.errors import CredentialExpired, CredentialNotFound
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import tenant_scope
from oauth import addresses, authorizing, connections, table, tickets
from oauth.authorizing import Started, Wish
from oauth.models import ConnectSession
from oauth.table import OAuthProvider
from providers import schema_faults

CONNECT = "connect"
LIVES = timedelta(minutes=30)

SESSION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "providers": {
            "type": "array",
            "items": {"type": "string", "maxLength": 32},
            "minItems": 1,
            "maxItems": 20,
            "uniqueItems": True,
            "description": "what may be chosen; left out, every provider that a client is bound for",
        },
        "scopes": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 200},
            "maxItems": 50,
            "description": "instead of the client's own; for one provider only",
        },
        "connection_id": {
            "type": "string",
            "format": "uuid",
            "description": "the connection to be mended; it keeps its id",
        },
        "return_to": {
            "type": "string",
            "maxLength": addresses.LONGEST,
            "description": "where the person goes afterwards: a path of this host, or a URL of the client's "
            "return_origins; left out, the page says that it can be closed",
        },
        "opener_origin": {
            "type": "string",
            "maxLength": 300,
            "description": "the origin of the page that opens the link in a pop-up, one of the client's "
            "return_origins; without return_to it is told of the account by postMessage",
        },
    },
    "additionalProperties": False,
}
_asked = schema_faults.compiled(SESSION_SCHEMA)


@dataclass(frozen=True, slots=True)
class Link:
    session: ConnectSession
    url: str = field(repr=False)


def make(*, tenant_id: UUID, subject: str, asked: Mapping[str, Any]) -> Link:
    """A link that lives for thirty minutes. Raises InvalidRequest, OAuthUnsupportedProvider, ConnectionNotFound, and
    CredentialNotFound where no client is bound for any provider that may be chosen."""
    if faults := schema_faults.faults(_asked, asked):
        names = ", ".join(fault["field"] for fault in faults)
        raise InvalidRequest(f"The request is not valid: {names}.", reason="invalid_fields", fields=faults)
    mended = None
    if "connection_id" in asked:
        mended = connections.get(tenant_id=tenant_id, connection_id=asked["connection_id"])
    chosen = [mended.provider] if mended else _choices(tenant_id, asked.get("providers"))
    if asked.get("scopes") and len(chosen) != 1:
        raise _one_provider_only()
    origins = [authorizing.application_of(tenant_id, table.get(key)).return_origins for key in chosen]
    allowed = frozenset(origins[0]).intersection(*origins[1:])
    ticket = tickets.issue(CONNECT, tenant_id)
    session = ConnectSession(
        id=new_id(),
        tenant_id=tenant_id,
        digest=ticket.digest,
        subject=subject,
        providers=chosen,
        scopes=list(asked.get("scopes") or (mended.required_scopes if mended else [])),
        connection_id=mended.id if mended else None,
        return_to=addresses.safe_return_to(asked.get("return_to"), allowed),
        opener_origin=addresses.known_origin(asked.get("opener_origin"), allowed),
        expires_at=datetime.now(UTC) + LIVES,
    )
    with tenant_scope(tenant_id):
        session.save(force_insert=True)
    return Link(session, addresses.connect_url(ticket.text))


def find(token: str) -> ConnectSession | None:
    """The session of a link, also one that is used up or over; None for a link that we never gave."""
    ticket = tickets.read(CONNECT, token)
    if ticket is None:
        return None
    with tenant_scope(ticket.tenant_id):
        return ConnectSession.objects.for_tenant(ticket.tenant_id).filter(digest=ticket.digest).first()


def is_open(session: ConnectSession) -> bool:
    return session.used_at is None and session.expires_at > datetime.now(UTC)


def asked_by(session: ConnectSession) -> str:
    """The host of the application that the account is for; empty where the session does not tell."""
    return addresses.host(session.opener_origin or session.return_to)


def choices(session: ConnectSession) -> list[tuple[OAuthProvider, Sequence[str]]]:
    """Each with the scopes that are asked for; one whose client is gone is left out.

    Raises what `authorizing.application_of` does where none is left.
    """
    found: list[tuple[OAuthProvider, Sequence[str]]] = []
    lack: HubError | None = None
    for key in session.providers:
        provider = table.get(key)
        try:
            application = authorizing.application_of(session.tenant_id, provider)
        except (CredentialNotFound, CredentialExpired) as error:
            lack = error
            continue
        found.append((provider, tuple(session.scopes) or application.scopes or provider.default_scopes))
    if not found and lack:
        raise lack
    return found


def begin(session: ConnectSession, provider_key: str, token: str) -> Started:
    """Start the flow of one of its providers, in a browser that opened the link by this token.

    Raises InvalidRequest for what it does not offer (any more), and what `authorizing.start` does.
    """
    if not is_open(session) or provider_key not in session.providers:
        raise InvalidRequest("This link does not offer that.", reason="not_offered")
    return authorizing.start(
        tenant_id=session.tenant_id,
        provider_key=provider_key,
        subject=session.subject,
        wish=Wish(
            scopes=session.scopes,
            return_to=session.return_to,
            opener_origin=session.opener_origin,
            connection_id=session.connection_id,
            session_id=session.id,
            link=token,
        ),
    )


def _choices(tenant_id: UUID, asked: Sequence[str] | None) -> list[str]:
    """Raises CredentialNotFound where there is nothing to choose from."""
    if asked:
        return [table.get(key).key for key in asked]
    bound = binding.in_use(tenant_id=tenant_id)
    found = [key for key in table.providers() if key in bound]
    if not found:
        raise CredentialNotFound("No client is bound for any OAuth provider: bind one with POST /credentials/bind.")
    return found


def _one_provider_only() -> InvalidRequest:
    fault = {"field": "scopes", "reason": "not_allowed", "expected": "exactly one provider beside it"}
    return InvalidRequest("'scopes' needs exactly one provider.", reason="invalid_fields", fields=[fault])
