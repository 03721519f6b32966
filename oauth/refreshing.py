"""New tokens for a connection: one call of the provider, however many ask at once.

A lease in the row says who is refreshing, so that no transaction is held over the call. The others wait for the row's
next `token_version`. A holder that dies is waited for until its lease has passed.
"""

import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.db import connection as database
from django.db.models.functions import Now

from credentials.errors import VaultUnreadable
from integrationhub.audit import trail
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from integrationhub.core.ids import new_id
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from oauth import authorizing, connections, keeping, protocol, table
from oauth.errors import ConnectionNotFound, OAuthRefreshFailed
from oauth.models import Connection
from oauth.protocol import Tokens
from oauth.protocol.refreshing import not_supported
from oauth.table import OAuthProvider
from oauth.telling import tell

logger = logging.getLogger(__name__)

# One call fits into a lease, which begins anew with each: who has waited for a dead holder can still make a call of its
# own, and send what it came for, within the eight seconds of an attempt.
CALL_SECONDS = 3.0
LEASE_SECONDS, MARGIN_SECONDS = 4.0, 1.0
STORE_PAUSES_SECONDS = (0.2, 0.5, 1.0)
# A holder whose first answer was lost makes two calls.
LONGEST_WAIT_SECONDS = 12.0
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
        _refuse_in_vain(connection)
    until = deadline.within(LONGEST_WAIT_SECONDS)
    version, failures = connection.token_version, connection.failures
    while True:
        _refuse_dead(connection)
        if connection.token_version != version or not (is_forced or _must_be_refreshed(connection)):
            return connection
        try:
            if connection.failures > failures:
                raise _as_it_failed(connection)
            if until.remaining() >= CALL_SECONDS and _claimed(connection, lease_id := new_id()):
                return _refresh(connection, lease_id)
            _wait(connection, until)
        except HubError as error:
            is_over = isinstance(error, ConnectionNotFound) or getattr(error, "needs_reauth", False)
            if is_forced or is_over or _has_ended(connection):
                raise
            # It was to be renewed ahead of its end, which has not come: it still serves.
            return connection
        connection = _again(connection)


def _refuse_in_vain(connection: Connection) -> None:
    """Raises OAuthRefreshNotSupported, or OAuthRefreshFailed where the provider gave no refresh token: the access that
    it gave is as good as it was."""
    refuse_unsupported(table.get(connection.provider))
    if connection.status == Connection.Status.ACTIVE and not connection.can_be_refreshed:
        raise OAuthRefreshFailed(
            f"The provider gave no refresh token for {connection}: only its owner can renew it.",
            reason="no_refresh_token",
            connection_id=str(connection.id),
        )


def refuse_unsupported(provider: OAuthProvider) -> None:
    """Raises OAuthRefreshNotSupported."""
    if not provider.is_refreshable:
        raise not_supported(provider)


def _must_be_refreshed(connection: Connection) -> bool:
    """Raises OAuthRefreshFailed where the token has ended and cannot be renewed: not at all, or not just now."""
    if connection.is_fresh(datetime.now(UTC)):
        return False
    if not connection.can_be_refreshed:
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
    """A provider that has just failed is left alone for a while, and for as long as it asked."""
    asked = timedelta(seconds=(connection.last_error or {}).get("retry_after", 0))
    return connection.failed_at is not None and connection.failed_at > datetime.now(UTC) - max(COOL_DOWN, asked)


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


def _refresh(connection: Connection, lease_id: UUID) -> Connection:
    """As the holder of the lease, whose claim has seen that the tokens are still those that were read.

    Its calls have a time of their own: one that were cut off by a caller in a hurry would leave the next tokens behind
    at the provider. None is made while the vault could not seal what it brings.
    """
    own = Deadline.after(LEASE_SECONDS - MARGIN_SECONDS)
    provider = table.get(connection.provider)
    try:
        application = authorizing.application_of(connection.tenant_id, provider, own)
        tokens = keeping.opened(connection, own)
        keeping.expect_to_seal(connection.tenant_id)
        ask = partial(protocol.refresh, provider, application, tokens)
        renewed = _asked(connection, lease_id, lambda: ask(Deadline.after(CALL_SECONDS)))
    except OAuthRefreshFailed as error:
        return _failed(connection, lease_id, error)
    except HubError as error:
        # The tenant's client is gone, or the vault is away: the provider has not been asked.
        _note(connection, lease_id, error)
        raise
    except BaseException:
        _release(connection, lease_id)
        raise
    return _kept(connection, lease_id, renewed)


def _asked(connection: Connection, lease_id: UUID, ask: Callable[[], Tokens]) -> Tokens:
    """Where an answer is lost, nobody knows whether the old token is spent. It is asked with once more, and what the
    provider says then holds."""
    if not _begins_anew(connection, lease_id):
        raise _in_progress()
    try:
        return ask()
    except OAuthRefreshFailed as error:
        if not error.is_lost or not _begins_anew(connection, lease_id):
            raise
        return ask()


def _begins_anew(connection: Connection, lease_id: UUID) -> bool:
    """The lease, unless it has passed to somebody else. No connection to the database is held from here on."""
    with tenant_scope(connection.tenant_id):
        rows = _mine(connection, lease_id)
        is_held = rows.update(lease_until=Now() + timedelta(seconds=LEASE_SECONDS))
    let_go_of_connection()
    return bool(is_held)


def _kept(connection: Connection, lease_id: UUID, tokens: Tokens) -> Connection:
    """Store what came, more than once if need be: these are the grant's only tokens now. If it cannot be, the lease
    stays, so that nobody sends the spent token while it lasts."""
    for pause in STORE_PAUSES_SECONDS:
        try:
            return _take(connection, tokens)
        except (DatabaseError, VaultUnreadable):
            logger.exception("New tokens could not be stored yet.", extra={"connection_id": str(connection.id)})
            with suppress(DatabaseError):
                _begins_anew(connection, lease_id)
            time.sleep(pause)
    return _take(connection, tokens)


def _take(connection: Connection, tokens: Tokens) -> Connection:
    """In one statement, which counts for the version that it was asked with and not for the lease: it may have outlived
    that. Of a connection that was given up meanwhile, the new tokens are what is to be revoked."""
    version = connection.token_version
    keeping.take(connection, table.get(connection.provider), tokens, datetime.now(UTC))
    with tenant_scope(connection.tenant_id):
        rows = Connection.objects.for_tenant(connection.tenant_id).filter(id=connection.id, token_version=version)
        was = rows.select_for_update().first()
        if was is not None:
            is_given_up = was.status == Connection.Status.REVOKED
            values = {name: getattr(connection, name) for name in ("sealed", *(() if is_given_up else keeping.TIMES))}
            if is_given_up:
                values["refresh_at"] = datetime.now(UTC)
            rows.update(**values, token_version=version + 1, lease_id=None, lease_until=None, updated_at=Now())
            if was.reason and not is_given_up:
                tell(connection, "connection.recovered")
    return _again(connection)


def _failed(connection: Connection, lease_id: UUID, error: OAuthRefreshFailed) -> Connection:
    """Write the failure down, and raise it; but where somebody else's refresh has come through meanwhile, it is that
    refresh which spent the token, and its tokens are as good for this caller."""
    if error.needs_reauth:
        now = _again(connection)
        if now.token_version != connection.token_version:
            return now
        give_up(connection, error.reason, error)
    else:
        _note(connection, lease_id, error)
    raise error


def _note(connection: Connection, lease_id: UUID, error: HubError) -> None:
    """A failure that may pass. It breaks the connection, until the next success, once its access token has ended."""
    step = min(connection.failures, len(BACK_OFF_SECONDS) - 1)
    pause = max(BACK_OFF_SECONDS[step] * random.uniform(0.75, 1.25), error.retry_after or 0)  # noqa: S311  Jitter.
    now = datetime.now(UTC)
    is_news = _has_ended(connection) and not connection.reason
    with tenant_scope(connection.tenant_id):
        done = _mine(connection, lease_id).update(
            failures=connection.failures + 1,
            failed_at=now,
            last_error=_shown(error),
            reason="refresh_failing" if is_news else connection.reason,
            refresh_at=now + timedelta(seconds=pause) if connection.can_be_refreshed else None,
            lease_id=None,
            lease_until=None,
            updated_at=Now(),
        )
        if done and is_news:
            tell(connection, "connection.broken", reason="refresh_failing")


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
        if connection and connection.can_be_refreshed:
            rows.update(expires_at=Now(), updated_at=Now())
        elif connection:
            give_up(connection, "refused")


def let_be(connection: Connection) -> None:
    """Ask for no more refreshes of what the table says is not refreshed (any more)."""
    with tenant_scope(connection.tenant_id):
        rows = connections.listed(tenant_id=connection.tenant_id).filter(id=connection.id)
        rows.filter(token_version=connection.token_version).update(refresh_at=None, updated_at=Now())


def _release(connection: Connection, lease_id: UUID) -> None:
    with tenant_scope(connection.tenant_id):
        _mine(connection, lease_id).update(lease_id=None, lease_until=None)


def _again(connection: Connection) -> Connection:
    return connections.get(tenant_id=connection.tenant_id, connection_id=str(connection.id))


def _mine(connection: Connection, lease_id: UUID) -> Any:
    """The row, while the lease on it is this one: whatever ends a connection ends its lease too."""
    return Connection.objects.for_tenant(connection.tenant_id).filter(id=connection.id, lease_id=lease_id)


def _wait(connection: Connection, until: Deadline) -> None:
    """Raises OAuthRefreshFailed where there is no time to wait, or none left for a call."""
    pause = random.uniform(*POLL_SECONDS)  # noqa: S311  Jitter, no secret.
    is_held = connection.lease_until is not None and connection.lease_until > datetime.now(UTC)
    if until.remaining() <= pause or (until.remaining() < CALL_SECONDS and not is_held):
        _ask_for_it(connection)
        raise _in_progress()
    let_go_of_connection()
    time.sleep(pause)


def _in_progress() -> OAuthRefreshFailed:
    return OAuthRefreshFailed(
        "This connection is to be refreshed first, for which there was not enough time; try again.",
        reason="refresh_in_progress",
        retryable=True,
    )


def _ask_for_it(connection: Connection) -> None:
    """A worker refreshes it, since this caller is in too much of a hurry."""
    with tenant_scope(connection.tenant_id):
        rows = connections.listed(tenant_id=connection.tenant_id).filter(id=connection.id, refresh_at__gt=Now())
        rows.filter(token_version=connection.token_version).update(refresh_at=Now())


def _as_it_failed(connection: Connection) -> OAuthRefreshFailed:
    """The failure of the one that was waited for."""
    said = connection.last_error or {}
    return OAuthRefreshFailed(
        said.get("message") or "The refresh that was waited for failed.",
        reason=said.get("reason") or "refresh_failed",
        retryable=True,
        connection_id=str(connection.id),
    )


def _shown(error: HubError) -> dict[str, Any]:
    reason = error.details.get("reason") or error.entry.name.lower()
    shown = {"at": moment(datetime.now(UTC)), "code": error.entry.code, "reason": reason, "message": error.message}
    return {**shown, "retry_after": error.retry_after} if error.retry_after else shown
