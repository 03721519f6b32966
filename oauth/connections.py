"""A tenant's connections: found, listed, and given up."""

import random
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from credentials.errors import CredentialExpired, CredentialNotFound, VaultUnreadable
from integrationhub.audit import trail
from integrationhub.core.deadline import Deadline
from integrationhub.core.ids import read_id
from integrationhub.core.tenancy import TenantQuerySet, let_go_of_connection, tenant_scope
from oauth import authorizing, keeping, protocol, table
from oauth.errors import ConnectionNotFound, OAuthRevocationFailed
from oauth.models import Connection
from oauth.protocol.revoking import not_supported

SECONDS = 10
# What a provider did not revoke at once is tried again so often, each time after a longer while.
REVOCATIONS = 5
FIRST_PAUSE = timedelta(minutes=5)


def listed(*, tenant_id: UUID, provider: str | None = None, status: str | None = None) -> TenantQuerySet:
    """Those that were not given up. Evaluate it inside the tenant's scope."""
    rows = Connection.objects.for_tenant(tenant_id).exclude(status=Connection.Status.REVOKED)
    known: dict[str, Any] = {name: value for name, value in (("provider", provider), ("status", status)) if value}
    return rows.filter(**known)


def get(*, tenant_id: UUID, connection_id: str) -> Connection:
    """Raises ConnectionNotFound, also for one that was given up and for another tenant's."""
    with tenant_scope(tenant_id):
        found: Connection | None = listed(tenant_id=tenant_id).filter(id=read_id(connection_id)).first()
    if found is None:
        raise not_found(connection_id)
    return found


def get_to_revoke(*, tenant_id: UUID, connection_id: str) -> Connection:
    """The same; also one that was given up and is not revoked at its provider yet."""
    with tenant_scope(tenant_id):
        rows: TenantQuerySet = Connection.objects.for_tenant(tenant_id)
        rows = rows.exclude(status=Connection.Status.REVOKED, sealed=b"")
        found: Connection | None = rows.filter(id=read_id(connection_id)).first()
    if found is None:
        raise not_found(connection_id)
    return found


def found(*, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, Connection]:
    """Those of them that the tenant has, by id."""
    with tenant_scope(tenant_id):
        return {row.id: row for row in listed(tenant_id=tenant_id).filter(id__in=ids)}


def not_found(connection_id: str) -> ConnectionNotFound:
    return ConnectionNotFound(f"There is no connection {connection_id[:64]!r}.", id=connection_id[:64])


def give_up(*, tenant_id: UUID, connection_id: str, subject: str) -> Connection:
    """Disable the connection here for good, then have the provider revoke its grant.

    Raises ConnectionNotFound, or OAuthRevocationFailed where the provider did not; it is asked again later, by itself,
    unless it offers no such call, or at once by whoever gives the connection up again.
    """
    connection = get_to_revoke(tenant_id=tenant_id, connection_id=connection_id)
    if connection.status != Connection.Status.REVOKED:
        _disable(connection, subject)
    if connection.sealed:
        revoke(connection)
    return connection


def _disable(connection: Connection, subject: str) -> None:
    tenant_id = connection.tenant_id
    with tenant_scope(tenant_id):
        rows = listed(tenant_id=tenant_id).filter(id=connection.id)
        due = datetime.now(UTC) + FIRST_PAUSE if connection.sealed else None
        over = {"status": Connection.Status.REVOKED, "reason": "given_up", "failures": 0, "updated_at": Now()}
        if not rows.update(**over, refresh_at=due, lease_id=None, lease_until=None):
            raise not_found(str(connection.id))
        trail.record(
            tenant_id=tenant_id,
            action="connection.revoked",
            actor=subject,
            about=f"connection:{connection.id}",
            provider=connection.provider,
        )


def revoke(connection: Connection) -> None:
    """Have the provider end the grant of a connection that is disabled here; what it has revoked is wiped.

    Raises OAuthRevocationFailed, also for what the tenant's client or the vault may lack.
    """
    provider, until = table.get(connection.provider), Deadline.after(SECONDS)
    if not provider.is_revocable:
        _wipe(connection)
        raise not_supported(provider)
    try:
        application = authorizing.application_of(connection.tenant_id, provider, until)
        tokens = keeping.opened(connection, until)
    except (CredentialNotFound, CredentialExpired, VaultUnreadable) as error:
        reason = "vault_unavailable" if isinstance(error, VaultUnreadable) else "client_missing"
        raise OAuthRevocationFailed(error.message, reason=reason, provider=provider.key) from error
    let_go_of_connection()
    protocol.revoke(provider, application, tokens, until)
    _wipe(connection)


def revoke_again(connection: Connection) -> None:
    """A later try, after which the next one is due, or none is left. Raises as `revoke` does."""
    tries = connection.failures + 1
    pause = FIRST_PAUSE * 4**tries * random.uniform(0.75, 1.25)  # noqa: S311  Jitter, no secret.
    with tenant_scope(connection.tenant_id):
        rows = Connection.objects.for_tenant(connection.tenant_id)
        rows.filter(id=connection.id).update(failures=tries, refresh_at=datetime.now(UTC) + pause)
    try:
        revoke(connection)
    finally:
        if tries >= REVOCATIONS:
            _wipe(connection)


def _wipe(connection: Connection) -> None:
    """What is gone at the provider goes here too, and what was known of the person; but not what came since."""
    with tenant_scope(connection.tenant_id):
        rows = Connection.objects.for_tenant(connection.tenant_id)
        rows = rows.filter(id=connection.id, token_version=connection.token_version, status=Connection.Status.REVOKED)
        rows.update(sealed=b"", refresh_at=None, profile=None, last_error=None)
