"""The end of a flow: the code that came back is exchanged, and the account becomes a connection."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection as database
from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core.deadline import Deadline
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from integrationhub.outbox import events
from oauth import addresses, authorizing, keeping, protocol, table, tickets
from oauth.authorizing import Consumed
from oauth.errors import (
    ConnectionNotFound,
    OAuthCodeRequired,
    OAuthProfileFetchFailed,
    OAuthProviderRequired,
    OAuthTokenExchangeFailed,
)
from oauth.models import Connection, ConnectSession, Flow
from oauth.protocol import Profile, Tokens
from oauth.table import OAuthProvider

logger = logging.getLogger(__name__)

# The whole flow behind a callback: a long-lived exchange, a key set and two calls for a profile may be part of it.
SECONDS = 20


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back: `user` is Apple's form field of that name, `issuer` is RFC 9207's `iss`."""

    provider_key: str
    code: str | None = field(repr=False)
    state: str | None = field(repr=False)
    issuer: str | None = None
    user: str | None = field(default=None, repr=False)
    # Of a front end that made its own; used only where no state is needed.
    verifier: str | None = field(default=None, repr=False)
    redirect_uri: str | None = None


def connect(*, tenant_id: UUID, subject: str, returned: Returned) -> Connection:
    """The callback as a front end or back end passes it on, with a token of its own.

    Raises OAuthProviderRequired, OAuthUnsupportedProvider, OAuthCodeRequired, OAuthTokenExchangeFailed, and what the
    tenant's client or the vault may lack.
    """
    if not returned.provider_key:
        raise OAuthProviderRequired()
    provider = table.get(returned.provider_key)
    if not returned.code:
        raise OAuthCodeRequired()
    deadline = Deadline.after(SECONDS)
    if returned.state:
        consumed = take(returned, tenant_id=tenant_id, subject=subject, deadline=deadline)
        if returned.redirect_uri not in (None, consumed.row.redirect_uri):
            raise _failed("redirect_uri is not the one that this state was made for.", "redirect_uri_mismatch")
    else:
        consumed = _without_state(tenant_id, subject, provider, returned)
    return complete(consumed, returned, deadline)


def take(
    returned: Returned, *, deadline: Deadline, tenant_id: UUID | None = None, subject: str | None = None
) -> Consumed:
    """The start that the state names; `tenant_id` and `subject` must be its own where they are told.

    Raises OAuthUnsupportedProvider, or OAuthTokenExchangeFailed for a state that is missing, used, expired or
    another's. Nothing was asked of the provider then.
    """
    provider = table.get(returned.provider_key)
    ticket = tickets.read(authorizing.STATE, returned.state or "")
    if ticket is None or tenant_id not in (None, ticket.tenant_id):
        raise _invalid_state()
    consumed = authorizing.consume(ticket, provider_key=provider.key, subject=subject, deadline=deadline)
    if consumed is None:
        raise _invalid_state()
    return consumed


def complete(consumed: Consumed, returned: Returned, deadline: Deadline) -> Connection:
    """Exchange the code, learn whose account it is, and store the connection. Raises as `connect` does."""
    start = consumed.row
    provider = table.get(start.provider)
    protocol.check_issuer(provider, returned.issuer)
    if not returned.code:
        raise OAuthCodeRequired()
    application = authorizing.application_of(start.tenant_id, provider)
    let_go_of_connection()
    tokens = protocol.exchange(
        provider,
        application,
        code=returned.code,
        redirect_uri=start.redirect_uri,
        code_verifier=consumed.verifier,
        deadline=deadline,
    )
    claims = None
    if tokens.id_token and provider.jwks_url:
        claims = protocol.claims(provider, application, tokens.id_token, nonce=consumed.nonce, deadline=deadline)
    try:
        profile = protocol.profile(
            provider, application, tokens, claims=claims, user_field=returned.user, deadline=deadline
        )
    except OAuthProfileFetchFailed as error:
        # The grant is good, and is not thrown away; who it belongs to can be asked again later.
        logger.warning("A connected account's profile could not be read.", extra={"reason": error.reason})
        profile = None
    return _store(start, provider, tokens, profile, claims)


def _store(
    start: Flow,
    provider: OAuthProvider,
    tokens: Tokens,
    profile: Profile | None,
    claims: Mapping[str, Any] | None,
) -> Connection:
    account_id = (profile and profile.id) or str((claims or {}).get("sub") or tokens.account_id or "")
    now = datetime.now(UTC)
    known = _known(start, provider, account_id)
    connection = known or Connection(id=new_id(), tenant_id=start.tenant_id, provider=provider.key, scopes=[])
    if known and known.account_id and account_id and known.account_id != account_id:
        raise _failed(
            f"This is another account than the connection's: {_shown(profile, account_id)} instead of "
            f"{known.account or known.account_id}. Nothing was changed.",
            "wrong_account",
            connection_id=str(known.id),
        )
    # A provider that gives a refresh token once gives none when the same person comes again: the old one still works.
    if known and known.sealed and not tokens.refresh_token:
        tokens = dataclasses.replace(tokens, refresh_token=keeping.opened(known).refresh_token)
    connection.account_id = account_id or connection.account_id
    connection.required_scopes = start.scopes
    connection.scopes = list(start.scopes) if tokens.scopes is None else list(tokens.scopes)
    connection.subject = start.subject
    if profile:
        # Apple tells a name once: what it does not say again is not forgotten.
        told = {name: value for name, value in kept(profile).items() if value is not None}
        connection.profile = {**kept(profile), **(connection.profile or {}), **told}
        connection.account = _shown(profile, account_id)[:255]
    keeping.take(connection, provider, tokens, now)
    return _saved(start, connection, is_new=known is None)


def _saved(start: Flow, connection: Connection, *, is_new: bool) -> Connection:
    """The row, with what tells of it, in one transaction. Whoever connected the same account meanwhile goes first."""
    with tenant_scope(start.tenant_id):
        with database.cursor() as cursor:
            turn = f"connection {connection.tenant_id} {connection.provider} {connection.account_id}"
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [turn])
        rows = Connection.objects.for_tenant(start.tenant_id)
        if is_new:
            if connection.account_id and _of_account(connection).exists():
                raise _failed("This account was connected by another flow at the same time.", "connected_meanwhile")
            connection.save(force_insert=True)
        else:
            was = rows.select_for_update().filter(id=connection.id).first()
            if was is None or was.status == Connection.Status.REVOKED:
                raise ConnectionNotFound(f"There is no connection {str(connection.id)!r}.", id=str(connection.id))
            connection.token_version = was.token_version + 1
            connection.lease_id, connection.lease_until = None, None
            connection.save(force_update=True)
            if was.status == Connection.Status.NEEDS_REAUTH:
                tell(connection, "connection.recovered")
        _use_session(start, connection)
        action = "connection.connected" if is_new else "connection.reconnected"
        tell(connection, action)
        trail.record(
            tenant_id=start.tenant_id,
            action=action,
            actor=start.subject,
            about=f"connection:{connection.id}",
            provider=connection.provider,
            scopes=connection.scopes,
        )
    return connection


def _use_session(start: Flow, connection: Connection) -> None:
    """A link serves one connection. Raises OAuthTokenExchangeFailed where another flow of it was faster."""
    if start.session_id is None:
        return
    unused = ConnectSession.objects.for_tenant(start.tenant_id).filter(id=start.session_id, used_at=None)
    if not unused.update(used_at=Now(), connection_id=connection.id):
        raise _failed("This link has been used already.", "session_used")


def _known(start: Flow, provider: OAuthProvider, account_id: str) -> Connection | None:
    """The connection that this flow renews. Raises ConnectionNotFound if it was to mend one that is gone."""
    rows = Connection.objects.for_tenant(start.tenant_id).exclude(status=Connection.Status.REVOKED)
    with tenant_scope(start.tenant_id):
        if start.connection_id:
            found = rows.filter(id=start.connection_id).first()
            if found is None:
                raise ConnectionNotFound(
                    f"There is no connection {str(start.connection_id)!r}.", id=str(start.connection_id)
                )
            return found
        return rows.filter(provider=provider.key, account_id=account_id).first() if account_id else None


def _of_account(connection: Connection) -> Any:
    rows = Connection.objects.for_tenant(connection.tenant_id).exclude(status=Connection.Status.REVOKED)
    return rows.filter(provider=connection.provider, account_id=connection.account_id)


def tell(connection: Connection, kind: str, **more: Any) -> None:
    """An event about a connection, in the transaction of what it tells of."""
    events.publish(
        tenant_id=connection.tenant_id,
        kind=kind,
        connection_id=str(connection.id),
        provider=connection.provider,
        account=connection.account,
        **more,
    )


def _shown(profile: Profile | None, account_id: str) -> str:
    return str((profile and (profile.email or profile.name)) or account_id)


def _without_state(tenant_id: UUID, subject: str, provider: OAuthProvider, returned: Returned) -> Consumed:
    """A start that a front end made by itself, where the deployment allows it."""
    if settings.OAUTH_REQUIRE_STATE:
        raise _invalid_state()
    registered = authorizing.application_of(tenant_id, provider).redirect_uris
    row = Flow(
        tenant_id=tenant_id,
        provider=provider.key,
        subject=subject,
        redirect_uri=addresses.chosen_redirect_uri(provider.key, returned.redirect_uri, registered),
        scopes=[],
    )
    return Consumed(row, returned.verifier)


def kept(profile: Profile) -> dict[str, Any]:
    """A profile as it is stored: without the provider's own answer."""
    return {name: value for name, value in profile.as_json().items() if name != "raw"}


def _invalid_state() -> OAuthTokenExchangeFailed:
    return _failed("The state is missing, was used before, has expired, or belongs to another start.", "invalid_state")


def _failed(message: str, reason: str, **details: Any) -> OAuthTokenExchangeFailed:
    return OAuthTokenExchangeFailed(message, reason=reason, **details)
