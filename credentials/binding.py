"""Binding a tenant's secrets to a provider, and giving them to the one call that needs them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from credentials import asking, checking, versions
from credentials.errors import CredentialNotFound
from credentials.models import Credential
from credentials.recording import record
from credentials.vault import vault
from integrationhub.audit import trail
from integrationhub.core import tenant_version
from integrationhub.core.deadline import Deadline
from integrationhub.core.ids import read_id
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope

# How long after a rotation a provider's signature by the secrets before is still taken.
PREVIOUS_SIGNS_FOR = timedelta(days=1)


def bind(
    *,
    tenant_id: UUID,
    provider_key: str,
    secrets: Mapping[str, Any],
    expires_at: datetime | None = None,
    verify: bool = True,
    subject: str = trail.SYSTEM,
) -> Credential:
    """`bind_asked` for callers in code."""
    asked = {"provider_key": provider_key, "credentials": dict(secrets), "verify": verify}
    body = asked if expires_at is None else {**asked, "expires_at": expires_at.isoformat()}
    return bind_asked(tenant_id=tenant_id, body=body, subject=subject)


def bind_asked(*, tenant_id: UUID, body: Mapping[str, Any], subject: str) -> Credential:
    """Store what a provider needs, as the version in use; the one before is kept beside it, superseded.

    `body` is `asking.BIND_SCHEMA`, `subject` who asks. The provider is asked first, where it can be and `verify` is
    true. Raises CredentialBindFailed; then nothing was stored.
    """
    asked = asking.read(body)
    credential = versions.sealed(tenant_id, asked, checking.confirmed(tenant_id, asked, subject))
    with tenant_scope(tenant_id):
        versions.take_turn(tenant_id, credential.provider_key)
        versions.add(credential, asked, Credential.Status.SUPERSEDED)
        bound_now, wiped = versions.put_in_use(credential, watched=True)
        said = {"verified": bound_now.verified, "expires_at": bound_now.expires_at}
        record(bound_now, "credential.bound", subject, wiped=wiped, **said)
    return bound_now


def get(*, tenant_id: UUID, credential_id: str) -> Credential:
    """Raises CredentialNotFound, also for a revoked credential and for another tenant's."""
    with tenant_scope(tenant_id):
        credential = bound(tenant_id=tenant_id).filter(id=read_id(credential_id)).first()
    if credential is None:
        raise _not_found(credential_id)
    return credential


def bound(*, tenant_id: UUID, provider_key: str | None = None) -> TenantQuerySet:
    """What the tenant has bound, older versions included. Evaluate it inside the tenant's scope."""
    rows = Credential.objects.for_tenant(tenant_id).exclude(status=Credential.Status.REVOKED)
    return rows.filter(provider_key=provider_key) if provider_key else rows


def revoke(*, tenant_id: UUID, credential_id: str, subject: str) -> None:
    """Wipe the secret for good and keep the record of it. `subject` is who asks. Raises CredentialNotFound.

    With the version in use go all others of its provider: those before it, and the one on trial, which would else
    come into use after it.
    """
    provider_key = get(tenant_id=tenant_id, credential_id=credential_id).provider_key
    with tenant_scope(tenant_id):
        versions.take_turn(tenant_id, provider_key)
        rows = bound(tenant_id=tenant_id, provider_key=provider_key)
        credential = rows.filter(id=read_id(credential_id)).first()
        if credential is None:  # Somebody else has revoked it meanwhile.
            raise _not_found(credential_id)
        is_in_use = credential.status == Credential.Status.ACTIVE
        wiped = versions.wipe(rows.exclude(sealed=b"") if is_in_use else rows.filter(id=credential.id))
        tenant_version.changed(tenant_id)
        record(credential, "credential.revoked", subject, wiped=wiped)


def in_use(*, tenant_id: UUID) -> dict[str, Credential]:
    """The sealed credential in use for each provider key, by one query; versions before it are superseded."""
    with tenant_scope(tenant_id):
        return {row.provider_key: row for row in versions.in_use(tenant_id)}


def opened(credential: Credential, deadline: Deadline | None = None) -> dict[str, Any]:
    """Its secrets, for the call that is about to be made with them.

    Raises CredentialExpired, or VaultUnreadable where the stored bytes do not open, or not by the deadline.
    """
    if credential.is_expired(datetime.now(UTC)):
        raise versions.expired(credential)
    return _unsealed(credential, deadline)


def _unsealed(credential: Credential, deadline: Deadline | None = None) -> dict[str, Any]:
    sealed = bytes(credential.sealed)
    secrets: dict[str, Any] = json.loads(vault().open(sealed, versions.place(credential), deadline))
    return secrets


def current_and_previous(*, tenant_id: UUID, provider_key: str) -> tuple[dict[str, Any], ...]:
    """The secrets in use and, for a day after they were replaced, those before them: a provider may sign by either,
    also of what was sent before they expired. Empty where nothing is bound. Raises VaultUnreadable."""
    with tenant_scope(tenant_id):
        current = versions.of(tenant_id, provider_key).filter(status=Credential.Status.ACTIVE).first()
        earlier = versions.before(current) if current else None
    if current is None:
        return ()
    if earlier is None or earlier.updated_at < datetime.now(UTC) - PREVIOUS_SIGNS_FOR:
        return (_unsealed(current),)
    return _unsealed(current), _unsealed(earlier)


def _not_found(credential_id: str) -> CredentialNotFound:
    return CredentialNotFound(f"There is no credential {credential_id[:64]!r}.", id=credential_id[:64])
