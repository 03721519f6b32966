"""What a caller asks of a provider by the tokens or the connection that it names, whichever of them it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from oauth import authorizing, connections, protocol, refreshing, table
from oauth.application import Application
from oauth.errors import MissingToken, OAuthProfileFetchFailed, OAuthTokenExchangeFailed
from oauth.models import Connection
from oauth.protocol import Profile, Tokens
from oauth.protocol.revoking import not_supported
from oauth.storing import kept
from oauth.table import OAuthProvider

SECONDS = 15
LONGEST_TOKEN = 16 * 1024

TOKEN = {"type": "string", "minLength": 1, "maxLength": LONGEST_TOKEN}
CONNECTION_ID = {"type": "string", "format": "uuid"}
REFRESH_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "connection_id": CONNECTION_ID,
        "refresh_token": TOKEN,
        "access_token": {**TOKEN, "description": "Facebook's, which gives a new one for one that still lives."},
    },
}
REVOKE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"connection_id": CONNECTION_ID, "access_token": TOKEN, "refresh_token": TOKEN},
}
PROFILE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "connection_id": CONNECTION_ID,
        "access_token": TOKEN,
        "id_token": {**TOKEN, "description": "Apple's, which tells of people in no other way."},
    },
}


@dataclass(frozen=True, slots=True)
class Named:
    """What a body names: a connection of this provider, or tokens."""

    connection: Connection | None
    tokens: Tokens = field(repr=False)


def refresh(*, tenant_id: UUID, provider_key: str, asked: Mapping[str, Any]) -> Connection | Tokens:
    """The connection after its refresh, or the new tokens of the one that was sent.

    Raises OAuthUnsupportedProvider, OAuthRefreshNotSupported before anything else is looked at, MissingToken,
    ConnectionNotFound, OAuthRefreshFailed, and what the tenant's client or the vault may lack.
    """
    provider = table.get(provider_key)
    refreshing.refuse_unsupported(provider)
    member = "access_token" if provider.refresh == "reexchange" else "refresh_token"
    named = _named(tenant_id, provider, asked, (member,))
    deadline = Deadline.after(SECONDS)
    if named.connection:
        return refreshing.refreshed(
            tenant_id=tenant_id, connection_id=named.connection.id, deadline=deadline, is_forced=True
        )
    application = authorizing.application_of(tenant_id, provider)
    let_go_of_connection()
    return protocol.refresh(provider, application, named.tokens, deadline)


def revoke(*, tenant_id: UUID, provider_key: str, asked: Mapping[str, Any], subject: str) -> None:
    """Raises as `refresh` does, and OAuthRevocationFailed; a connection that is named is disabled here all the same."""
    provider = table.get(provider_key)
    named = _named(tenant_id, provider, asked, ("access_token", "refresh_token"), find=connections.get_to_revoke)
    if named.connection:
        connections.give_up(tenant_id=tenant_id, connection_id=str(named.connection.id), subject=subject)
        return
    if not provider.is_revocable:
        raise not_supported(provider)
    application = authorizing.application_of(tenant_id, provider)
    let_go_of_connection()
    protocol.revoke(provider, application, named.tokens, Deadline.after(SECONDS))


def profile(*, tenant_id: UUID, provider_key: str, asked: Mapping[str, Any]) -> Profile:
    """The normalised profile of whom the tokens belong to; a connection's is kept with it.

    Raises as `refresh` does, and OAuthProfileFetchFailed.
    """
    provider = table.get(provider_key)
    # Only of a provider that has no place to ask does an id_token tell.
    members = ("access_token",) if provider.profile.url else ("access_token", "id_token")
    named = _named(tenant_id, provider, asked, members)
    if named.connection and provider.profile.url is None:
        return _stored(named.connection)
    deadline = Deadline.after(SECONDS)
    version, tokens = 0, named.tokens
    if named.connection:
        version, tokens = refreshing.usable(tenant_id=tenant_id, connection_id=named.connection.id, deadline=deadline)
    application = authorizing.application_of(tenant_id, provider)
    let_go_of_connection()
    try:
        found = protocol.profile(
            provider,
            application,
            tokens,
            claims=_claims(provider, application, tokens, deadline),
            deadline=deadline,
            is_posted=named.connection is None,
        )
    except OAuthProfileFetchFailed as error:
        if named.connection and error.reason == "token_refused":
            refreshing.refused(tenant_id=tenant_id, connection_id=named.connection.id, token_version=version)
        raise
    if named.connection:
        _keep(named.connection, found)
    return found


def _claims(
    provider: OAuthProvider, application: Application, tokens: Tokens, deadline: Deadline
) -> Mapping[str, Any] | None:
    """Of an id_token that somebody posted, who cannot tell the nonce of its flow. Raises OAuthProfileFetchFailed."""
    if not tokens.id_token:
        return None
    try:
        return protocol.claims(provider, application, tokens.id_token, nonce=None, deadline=deadline)
    except OAuthTokenExchangeFailed as error:
        raise OAuthProfileFetchFailed(error.message, **error.details) from error


def _stored(connection: Connection) -> Profile:
    """Of a provider that tells of people by an id_token alone, which lives for minutes."""
    if not connection.profile:
        raise OAuthProfileFetchFailed(
            f"{connection} came without a profile: send an id_token.", reason=f"{connection.provider}_requires_id_token"
        )
    return Profile(**connection.profile)


def _keep(connection: Connection, found: Profile) -> None:
    if connection.account_id not in ("", found.id):
        raise OAuthProfileFetchFailed(
            "The provider told of another account than the connection's.", reason="wrong_account"
        )
    named = {} if connection.account_id else {"account_id": found.id}
    shown = str(found.email or found.name or found.id)[:255]
    with tenant_scope(connection.tenant_id):
        rows = connections.listed(tenant_id=connection.tenant_id)
        if named and rows.filter(provider=connection.provider, **named).exists():
            named = {}  # It is connected a second time, under its name.
        rows.filter(id=connection.id).update(profile=kept(found), account=shown, updated_at=Now(), **named)


def _named(
    tenant_id: UUID,
    provider: OAuthProvider,
    asked: Mapping[str, Any],
    members: tuple[str, ...],
    find: Callable[..., Connection] = connections.get,
) -> Named:
    """Raises InvalidRequest for members that are no text, MissingToken where there is none, or ConnectionNotFound."""
    wanted = ("connection_id", *members)
    faults = [
        {"field": name, "reason": "wrong_type", "expected": f"a text of 1 to {LONGEST_TOKEN} characters"}
        for name in wanted
        if name in asked and not (isinstance(asked[name], str) and 0 <= len(asked[name]) <= LONGEST_TOKEN)
    ]
    if faults:
        names = ", ".join(fault["field"] for fault in faults)
        raise InvalidRequest(f"The request is not valid: {names}.", reason="invalid_fields", fields=faults)
    if connection_id := asked.get("connection_id"):
        connection = find(tenant_id=tenant_id, connection_id=connection_id)
        if connection.provider != provider.key:
            raise connections.not_found(connection_id)
        return Named(connection, _sent())
    given = {name: asked[name] for name in members if asked.get(name)}
    if not given:
        raise MissingToken(f"Send one of {', '.join(wanted)} in the body.", expected=list(wanted))
    return Named(None, _sent(**given))


def _sent(access_token: str = "", refresh_token: str | None = None, id_token: str | None = None) -> Tokens:
    return Tokens(access_token, refresh_token, id_token)
