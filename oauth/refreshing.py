"""New tokens for a connection: one call of the provider, however many ask at once.

A lease in the row says who is refreshing, so that no transaction is held over the call. The others wait for the row's
next `token_version`. A holder that dies is waited for until its lease has passed.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core.deadline import Deadline
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from oauth import authorizing, connections, keeping, protocol, table
from oauth.connecting import tell
from oauth.errors import OAuthRefreshFailed
from oauth.models import Connection
from oauth.protocol import Tokens
from oauth.protocol.refreshing import not_supported
from oauth.table import OAuthProvider

# Two calls fit into a lease: one whose answer was lost is made once more.
CALL_SECONDS = 4.0
LEASE_SECONDS = 10.0
LONGEST_WAIT_SECONDS = LEASE_SECONDS + 5
POLL_SECONDS = (0.05, 0.15)
# After a failure that may pass, by its number; the last one goes for all that follow.
COOL_DOWN = timedelta(seconds=20)
BACK_OFF_SECONDS = (30, 120, 600, 1800, 3600)

_CLAIM = """
UPDATE oauth_connection SET lease_id = %s, lease_until = now() + make_interval(secs => %s)
WHERE id = %s AND tenant_id = %s AND status = 'active' AND token_version = %s AND failures = %s
  AND (lease_until IS NULL OR lease_until < now())
"""


def usable(*, tenant_id: UUID, connection_id: UUID, deadline: Deadline) -> tuple[int, Tokens]:
    """Tokens that can be used now, refreshed before where they end soon; and their version.

    Raises ConnectionNotFound; OAuthRefreshFailed, whose `needs_reauth` says that only the account's owner can mend it;
    OAuthRefreshNotSupported; and what the tenant's client or the vault may lack.
    """
    connection = refreshed(tenant_id=tenant_id, connection_id=connection_id, deadline=deadline)
    return connection.token_version, keeping.opened(connection, deadline)


def refreshed(*, tenant_id: UUID, connection_id: UUID, deadline: Deadline, is_forced: bool = False) -> Connection:
    """The same, as the row that holds them; refreshed in any case where `is_forced`."""
    connection = connections.get(tenant_id=tenant_id, connection_id=str(connection_id))
    if is_forced:
        refuse_unsupported(table.get(connection.provider))
    until = deadline.within(LONGEST_WAIT_SECONDS)
    version, failures = connection.token_version, connection.failures
    while True:
        _refuse_dead(connection)
        if connection.token_version != version or not (is_forced or _is_due(connection)):
            return connection
        if connection.failures > failures:
            raise _as_it_failed(connection)
        lease_id = new_id()
        if _claimed(connection, lease_id):
            return _refreshed_by_us(connection, lease_id, until, is_forced)
        _wait(until)
        connection = _again(connection)


def refuse_unsupported(provider: OAuthProvider) -> None:
    """Raises OAuthRefreshNotSupported."""
    if not provider.is_refreshable:
        raise not_supported(provider)


def _refreshed_by_us(connection: Connection, lease_id: UUID, until: Deadline, is_forced: bool) -> Connection:
    try:
        return _refresh(connection, lease_id, until)
    except OAuthRefreshFailed as error:
        if is_forced or error.needs_reauth or _has_ended(connection):
            raise
        # It was to be renewed ahead of its end, which has not come: it still serves.
        return connection


def _is_due(connection: Connection) -> bool:
    """Raises OAuthRefreshFailed where the token has ended and cannot be renewed: not at all, or not just now."""
    if connection.is_fresh(datetime.now(UTC)):
        return False
    if not connection.is_refreshable:
        if _has_ended(connection):
            _end(connection)
        return False
    if _is_cooling_down(connection):
        if _has_ended(connection):
            raise _as_it_failed(connection)
        return False
    return True


def _end(connection: Connection) -> None:
    """Raises OAuthRefreshFailed."""
    if connection.grant_expires_at is not None:
        give_up(connection, "expired")
        _refuse_dead(connection)
    raise OAuthRefreshFailed(
        f"The access token of {connection} has ended, and its provider's are not refreshed here.",
        reason="expired",
        needs_reauth=True,
        connection_id=str(connection.id),
    )


def _has_ended(connection: Connection) -> bool:
    return connection.expires_at is not None and connection.expires_at <= datetime.now(UTC)


def _is_cooling_down(connection: Connection) -> bool:
    """A provider that has just failed is left alone for a while."""
    return connection.failures > 0 and connection.updated_at > datetime.now(UTC) - COOL_DOWN


def _refuse_dead(connection: Connection) -> None:
    if connection.status == Connection.Status.NEEDS_REAUTH:
        raise OAuthRefreshFailed(
            f"The connection to {connection} is broken ({connection.reason}): its owner has to connect it again.",
            reason=connection.reason or "needs_reauth",
            needs_reauth=True,
            connection_id=str(connection.id),
        )


def _claimed(connection: Connection, lease_id: UUID) -> bool:
    """Only of the row as it was read: what has been refreshed since, or has failed, is to be looked at first."""
    read, failures = connection.token_version, connection.failures
    with tenant_scope(connection.tenant_id), database.cursor() as cursor:
        cursor.execute(_CLAIM, [lease_id, LEASE_SECONDS, connection.id, connection.tenant_id, read, failures])
        return bool(cursor.rowcount)


def _refresh(connection: Connection, lease_id: UUID, until: Deadline) -> Connection:
    """As the holder of the lease, whose claim has seen that the tokens are still those that were read."""
    provider = table.get(connection.provider)
    try:
        application = authorizing.application_of(connection.tenant_id, provider)
        tokens = keeping.opened(connection)
        let_go_of_connection()
        renewed = _asked(lambda: protocol.refresh(provider, application, tokens, until.within(CALL_SECONDS)))
        return _take(connection, renewed)
    except OAuthRefreshFailed as error:
        return _failed(connection, lease_id, error)
    except BaseException:
        _release(connection, lease_id)
        raise


def _asked(ask: Callable[[], Tokens]) -> Tokens:
    """Where an answer is lost, nobody knows whether the old token is spent. It is asked with once more, and what the
    provider says then holds."""
    try:
        return ask()
    except OAuthRefreshFailed as error:
        if not error.is_lost:
            raise
        return ask()


def _take(connection: Connection, tokens: Tokens) -> Connection:
    """Store what came in one statement.

    It counts for the version that it was asked with, and not for the lease: these tokens are the grant's only ones now,
    also if the call outlived the lease.
    """
    was_broken, version = connection.failures > 0, connection.token_version
    keeping.take(connection, table.get(connection.provider), tokens, datetime.now(UTC))
    with tenant_scope(connection.tenant_id):
        rows = Connection.objects.for_tenant(connection.tenant_id).exclude(status=Connection.Status.REVOKED)
        kept = {name: getattr(connection, name) for name in _KEPT}
        done = rows.filter(id=connection.id, token_version=version).update(
            **kept, token_version=version + 1, lease_id=None, lease_until=None, updated_at=Now()
        )
        if done and was_broken:
            tell(connection, "connection.recovered")
        if not done:
            # Given up meanwhile: what is to be revoked is the new tokens.
            waiting = Connection.objects.for_tenant(connection.tenant_id).filter(connections.is_waiting_to_be_revoked())
            waiting.filter(id=connection.id, token_version=version).update(sealed=connection.sealed)
    return _again(connection)


_KEPT = (
    "sealed",
    "scopes",
    "status",
    "reason",
    "is_refreshable",
    "expires_at",
    "grant_expires_at",
    "refreshed_at",
    "refresh_at",
    "failures",
    "last_error",
    "expiry_told",
)


def _failed(connection: Connection, lease_id: UUID, error: OAuthRefreshFailed) -> Connection:
    """Write the failure down, and raise it; but where somebody else's refresh has come through meanwhile, it is that
    refresh which spent the token, and its tokens are as good for this caller."""
    if error.needs_reauth:
        now = _again(connection)
        if now.token_version != connection.token_version:
            return now
        give_up(connection, error.reason, error)
        raise error
    step = min(connection.failures, len(BACK_OFF_SECONDS) - 1)
    pause = max(BACK_OFF_SECONDS[step] * random.uniform(0.75, 1.25), error.retry_after or 0)  # noqa: S311  Jitter.
    with tenant_scope(connection.tenant_id):
        _mine(connection, lease_id).update(
            failures=connection.failures + 1,
            last_error=_shown(error),
            refresh_at=datetime.now(UTC) + timedelta(seconds=pause),
            lease_id=None,
            lease_until=None,
            updated_at=Now(),
        )
    raise error


def give_up(connection: Connection, reason: str, error: OAuthRefreshFailed | None = None) -> None:
    """Say, once, that only the account's owner can mend it. What the row's tokens could do is over, so they go."""
    connection.status, connection.reason = Connection.Status.NEEDS_REAUTH, reason
    with tenant_scope(connection.tenant_id):
        rows = Connection.objects.for_tenant(connection.tenant_id).filter(
            id=connection.id, token_version=connection.token_version, status=Connection.Status.ACTIVE
        )
        last_error = _shown(error) if error else None
        done = rows.update(
            status=connection.status,
            reason=reason,
            last_error=last_error,
            sealed=b"",
            refresh_at=None,
            lease_id=None,
            lease_until=None,
            updated_at=Now(),
        )
        if done:
            tell(connection, "connection.broken", reason=reason)
            trail.record(
                tenant_id=connection.tenant_id,
                action="connection.broken",
                actor=trail.SYSTEM,
                about=f"connection:{connection.id}",
                provider=connection.provider,
                reason=reason,
            )


def refused(*, tenant_id: UUID, connection_id: UUID, token_version: int) -> None:
    """A provider refused (401) the access token of this version: the next use begins with a refresh. Where there is
    none, only the account's owner can help."""
    with tenant_scope(tenant_id):
        rows = connections.listed(tenant_id=tenant_id).filter(id=connection_id, token_version=token_version)
        connection = rows.first()
        if connection and connection.is_refreshable:
            rows.update(expires_at=Now(), updated_at=Now())
        elif connection:
            give_up(connection, "refused")


def _release(connection: Connection, lease_id: UUID) -> None:
    with tenant_scope(connection.tenant_id):
        _mine(connection, lease_id).update(lease_id=None, lease_until=None)


def _again(connection: Connection) -> Connection:
    return connections.get(tenant_id=connection.tenant_id, connection_id=str(connection.id))


def _mine(connection: Connection, lease_id: UUID) -> Any:
    rows = Connection.objects.for_tenant(connection.tenant_id)
    return rows.filter(id=connection.id, lease_id=lease_id)


def _wait(until: Deadline) -> None:
    pause = random.uniform(*POLL_SECONDS)  # noqa: S311  Jitter, no secret.
    if until.remaining() <= pause:
        raise OAuthRefreshFailed(
            "Somebody else is refreshing this connection and has not finished; try again.",
            reason="refresh_in_progress",
            retryable=True,
        )
    let_go_of_connection()
    time.sleep(pause)


def _as_it_failed(connection: Connection) -> OAuthRefreshFailed:
    """The failure of the one that was waited for."""
    said = connection.last_error or {}
    return OAuthRefreshFailed(
        said.get("message") or "The refresh that was waited for failed.",
        reason=said.get("reason") or "refresh_failed",
        retryable=True,
        connection_id=str(connection.id),
    )


def _shown(error: OAuthRefreshFailed) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"at": at, "code": error.entry.code, "reason": error.reason, "message": error.message}
