"""What a flow brought becomes a connection: a new one, or the one that is there, under the id that it has."""

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection as database
from django.db.models.functions import Now

from credentials.errors import VaultUnreadable
from integrationhub.audit import trail
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from oauth import keeping
from oauth.errors import ConnectionNotFound, OAuthProfileFetchFailed, OAuthTokenExchangeFailed
from oauth.models import Connection, ConnectSession, Flow
from oauth.protocol import Profile, Tokens
from oauth.table import OAuthProvider
from oauth.telling import tell

Status = Connection.Status
# A refresh, or another flow for the same account, may come between reading and writing: then the row is read anew, once
# for each that was faster.
TRIES = 20


@dataclass(frozen=True, slots=True)
class Granted:
    """`account_id` is empty where the provider told none; `untold` is why there is no profile."""

    start: Flow
    provider: OAuthProvider
    account_id: str
    profile: Profile | None
    untold: OAuthProfileFetchFailed | None
    tokens: Tokens = field(repr=False)

    @property
    def shown(self) -> str:
        """An address or a name to know the account by."""
        return str((self.profile and (self.profile.email or self.profile.name)) or self.account_id)[:255]


def store(granted: Granted) -> Connection:
    """Raises ConnectionNotFound where the flow was to mend one that is gone, OAuthTokenExchangeFailed where it is
    another account than that one's, or where its link was used meanwhile, and OAuthProfileFetchFailed where nobody
    knows whose account it is, and it should be a certain one's."""
    for _ in range(TRIES):
        known = _known(granted)
        connection = _with_grant(granted, known)
        if _saved(granted, connection, known):
            return connection
    raise failed("This account is being connected by somebody else at the same time.", "connected_meanwhile")


def kept(profile: Profile) -> dict[str, Any]:
    """A profile as it is stored: without the provider's own answer."""
    return {name: value for name, value in profile.as_json().items() if name != "raw"}


def failed(message: str, reason: str, **details: Any) -> OAuthTokenExchangeFailed:
    return OAuthTokenExchangeFailed(message, reason=reason, **details)


def _known(granted: Granted) -> Connection | None:
    """The connection that this flow renews, as it stands."""
    start = granted.start
    with tenant_scope(start.tenant_id):
        if start.connection_id is None:
            return _of_account(granted).first() if granted.account_id else None
        found: Connection | None = _living(start).filter(id=start.connection_id).first()
    if found is None:
        raise _gone(start.connection_id)
    if found.account_id and not granted.account_id and granted.untold:
        raise granted.untold
    if found.account_id and granted.account_id not in ("", found.account_id):
        raise failed(
            f"This is another account than the connection's: {granted.shown} instead of "
            f"{found.account or found.account_id}. Nothing was changed.",
            "wrong_account",
            connection_id=str(found.id),
        )
    return found


def _with_grant(granted: Granted, known: Connection | None) -> Connection:
    """The row as it is to be, not saved yet; outside of any transaction, since the vault seals."""
    start, tokens = granted.start, granted.tokens
    connection = known or Connection(id=new_id(), tenant_id=start.tenant_id, provider=granted.provider.key)
    if tokens.refresh_token:
        connection.grant_expires_at = None  # The end was that of the grant before.
    elif known:
        tokens = dataclasses.replace(tokens, refresh_token=_refresh_token_of(known, granted))
    connection.account_id = granted.account_id or connection.account_id
    connection.required_scopes, connection.scopes = start.scopes, list(start.scopes)
    connection.subject = start.subject
    if granted.profile:
        # Apple tells a name once: what it does not say again is not forgotten.
        told = {name: value for name, value in kept(granted.profile).items() if value is not None}
        connection.profile = {**kept(granted.profile), **(connection.profile or {}), **told}
        connection.account = granted.shown
    keeping.take(connection, granted.provider, tokens, datetime.now(UTC))
    return connection


def _refresh_token_of(known: Connection, granted: Granted) -> str | None:
    """A provider that gives one once gives none when the same person comes again: the old one still works, for the
    client that it was given to."""
    if granted.provider.refresh != "refresh_token" or not known.sealed:
        return None
    try:
        old = keeping.opened(known)
        return old.refresh_token if old.client_id in (None, granted.tokens.client_id) else None
    except VaultUnreadable as error:
        if error.is_passing:
            raise
        return None  # Its seal is broken for good, and what was just granted is not lost to that.


def _saved(granted: Granted, connection: Connection, known: Connection | None) -> bool:
    """The row, with what tells of it, in one transaction; False where it is not as it was read any more."""
    start = granted.start
    with tenant_scope(start.tenant_id):
        with database.cursor() as cursor:
            turn = f"connection {connection.tenant_id} {connection.provider} {connection.account_id}"
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [turn])
        other = _of_account(granted).exclude(id=connection.id).first() if granted.account_id else None
        if other and known is None:
            return False
        if other:
            raise failed(
                "This account is connected already, as another connection.",
                "connected_already",
                connection_id=str(other.id),
            )
        if known is None:
            connection.save(force_insert=True)
        elif not _renewed(start, connection):
            return False
        _use_session(start, connection)
        action = "connection.connected" if known is None else "connection.reconnected"
        tell(connection, action)
        trail.record(
            tenant_id=start.tenant_id,
            action=action,
            actor=start.subject,
            about=f"connection:{connection.id}",
            provider=connection.provider,
            scopes=connection.scopes,
        )
    return True


def _renewed(start: Flow, connection: Connection) -> bool:
    """Raises ConnectionNotFound where the one that was to be mended was given up meanwhile."""
    was = _living(start).select_for_update().filter(id=connection.id).first()
    if was is None and start.connection_id:
        raise _gone(connection.id)
    if was is None or was.token_version != connection.token_version:
        return False
    connection.token_version += 1
    connection.lease_id, connection.lease_until = None, None
    connection.save(force_update=True)
    if was.reason:
        tell(connection, "connection.recovered")
    return True


def _use_session(start: Flow, connection: Connection) -> None:
    """A link serves one connection. Raises OAuthTokenExchangeFailed where another flow of it was faster."""
    if start.session_id is None:
        return
    unused = ConnectSession.objects.for_tenant(start.tenant_id).filter(id=start.session_id, used_at=None)
    if not unused.update(used_at=Now(), connection_id=connection.id):
        raise failed("This link has been used already.", "session_used")


def _living(start: Flow) -> TenantQuerySet:
    return Connection.objects.for_tenant(start.tenant_id).exclude(status=Status.REVOKED)


def _of_account(granted: Granted) -> TenantQuerySet:
    return _living(granted.start).filter(provider=granted.provider.key, account_id=granted.account_id)


def _gone(connection_id: Any) -> ConnectionNotFound:
    return ConnectionNotFound(f"There is no connection {str(connection_id)!r}.", id=str(connection_id))
