"""Binding a tenant's secrets to a provider, and giving them to the one call that needs them."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Max

from credentials import asking
from credentials.errors import CredentialBindFailed, CredentialExpired, CredentialNotFound, VaultUnreadable
from credentials.models import Credential
from credentials.vault import Context, fingerprint, vault
from integrationhub.core import tenant_version
from integrationhub.core.deadline import Deadline
from integrationhub.core.ids import new_id, read_id
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from integrationhub.outbox import events
from providers import finding, registry
from providers.adapter import Call
from providers.errors import Next, ProviderError, Stop

logger = logging.getLogger(__name__)

CHECK_SECONDS = 8
# Four characters of a shorter secret would be too large a part of it.
SHORTEST_SHOWN = 12


def bind(
    *,
    tenant_id: UUID,
    provider_key: str,
    secrets: Mapping[str, Any],
    expires_at: datetime | None = None,
    verify: bool = True,
) -> Credential:
    """`bind_asked` for callers in code."""
    asked = {"provider_key": provider_key, "credentials": dict(secrets), "verify": verify}
    return bind_asked(
        tenant_id=tenant_id, body=asked if expires_at is None else {**asked, "expires_at": expires_at.isoformat()}
    )


def bind_asked(*, tenant_id: UUID, body: Mapping[str, Any]) -> Credential:
    """Store what a provider needs, as the version in use; the one before is kept beside it, superseded.

    `body` is `asking.BIND_SCHEMA`. The provider is asked first, where it can be and `verify` is true. Raises
    CredentialBindFailed; then nothing was stored.
    """
    asked = asking.read(body)
    verified = _verified(tenant_id, asked) if asked.verify else Credential.Verified.UNCHECKED
    try:
        credential = _store(tenant_id, asked, verified)
    except VaultUnreadable as error:
        raise CredentialBindFailed(
            "The vault cannot seal this tenant's secrets at present; nothing was stored.",
            reason="vault_unavailable",
            retryable=True,
        ) from error
    return credential


def get(*, tenant_id: UUID, credential_id: str) -> Credential:
    """Raises CredentialNotFound, also for a revoked credential and for another tenant's."""
    with tenant_scope(tenant_id):
        return _found(bound(tenant_id=tenant_id), credential_id)


def bound(*, tenant_id: UUID, provider_key: str | None = None) -> TenantQuerySet:
    """What the tenant has bound, older versions included. Evaluate it inside the tenant's scope."""
    rows = Credential.objects.for_tenant(tenant_id).exclude(status=Credential.Status.REVOKED)
    return rows.filter(provider_key=provider_key) if provider_key else rows


def revoke(*, tenant_id: UUID, credential_id: str) -> None:
    """Wipe the secret for good and keep the record of it. Raises CredentialNotFound."""
    with tenant_scope(tenant_id):
        # Locked, since a rotation of the keys may be about to keep the secret elsewhere.
        credential = _found(bound(tenant_id=tenant_id).select_for_update(), credential_id)
        vault().discard(bytes(credential.sealed), _context(tenant_id, credential.id))
        credential.sealed, credential.key_id, credential.status = b"", "", Credential.Status.REVOKED
        credential.save(update_fields=["sealed", "key_id", "status", "updated_at"])
        tenant_version.changed(tenant_id)


def in_use(*, tenant_id: UUID) -> dict[str, Credential]:
    """The sealed credential in use for each provider key, by one query; versions before it are superseded."""
    with tenant_scope(tenant_id):
        return {row.provider_key: row for row in _in_use(tenant_id)}


def opened(credential: Credential, deadline: Deadline | None = None) -> dict[str, Any]:
    """Its secrets, for the call that is about to be made with them.

    Raises CredentialExpired, or VaultUnreadable where the stored bytes do not open, or not by the deadline.
    """
    if credential.is_expired(datetime.now(UTC)):
        raise CredentialExpired(
            f"The credential for {credential.provider_key} expired at {credential.expires_at:%Y-%m-%d %H:%M:%S} UTC.",
            provider_key=credential.provider_key,
        )
    sealed = bytes(credential.sealed)
    secrets: dict[str, Any] = json.loads(vault().open(sealed, _context(credential.tenant_id, credential.id), deadline))
    return secrets


def mark_failing(credential: Credential, *, reason: str) -> None:
    """Note that the provider refuses this credential, and tell its owner once; it stays in use, since only the owner
    can tell why, and the provider may take it back."""
    logger.warning("credential_failing", extra={"provider_key": credential.provider_key, "reason": reason})
    refused = {"verified": Credential.Verified.FAILED, "failing_since": datetime.now(UTC)}
    _note(credential, {"failing_since": None}, refused, "credential.failing", reason=reason)


def mark_working(credential: Credential) -> None:
    """Note that the provider accepts a credential again which it had refused."""
    accepted = {"verified": Credential.Verified.VERIFIED, "failing_since": None}
    _note(credential, {"failing_since__isnull": False}, accepted, "credential.recovered")


def _note(credential: Credential, before: dict[str, Any], after: dict[str, Any], kind: str, **data: str) -> None:
    """Change the row and write the event together, by the one of several callers that finds the row as it was."""
    tenant_id = credential.tenant_id
    with tenant_scope(tenant_id):
        rows = Credential.objects.for_tenant(tenant_id).filter(id=credential.id, **before)
        if rows.update(**after, updated_at=datetime.now(UTC)):
            events.publish(
                tenant_id=tenant_id,
                kind=kind,
                credential_id=str(credential.id),
                provider_key=credential.provider_key,
                **data,
            )
            tenant_version.changed(tenant_id)


def _found(rows: TenantQuerySet, credential_id: str) -> Credential:
    credential: Credential | None = rows.filter(id=read_id(credential_id)).first()
    if credential is None:
        raise CredentialNotFound(f"There is no credential {credential_id[:64]!r}.", id=credential_id[:64])
    return credential


def _in_use(tenant_id: UUID) -> TenantQuerySet:
    return Credential.objects.for_tenant(tenant_id).filter(status=Credential.Status.ACTIVE)


def _verified(tenant_id: UUID, asked: asking.Asked) -> Credential.Verified:
    """Ask the provider. Its own words stay here: some repeat the secret that they refuse."""
    adapter, base_url = asked.adapter, finding.get(asked.adapter.key).base_url
    call = Call(tenant_id, "", {}, Deadline.after(CHECK_SECONDS), base_url=base_url, secrets=asked.secrets)
    try:
        was_asked = registry.instance(adapter.key).check(call)
    except ProviderError as error:
        refused = isinstance(error, Stop) or (isinstance(error, Next) and error.upstream_status is not None)
        said = "did not accept" if refused else "could not be asked about"
        raise CredentialBindFailed(
            f"{adapter.display_name} {said} these credentials ({error.reason}); nothing was stored.",
            reason="verification_failed",
            retryable=not refused,
            provider_key=adapter.key,
            upstream_reason=error.reason,
            upstream_status=error.upstream_status,
        ) from error
    except Exception:
        # What an adapter raises beside its contract may hold the secret: it is logged redacted, and not passed on.
        logger.exception("An adapter's check raised what its contract does not name.")
        raise CredentialBindFailed(
            f"{adapter.display_name} could not be asked about these credentials; nothing was stored.",
            reason="verification_failed",
            provider_key=adapter.key,
        ) from None
    return Credential.Verified.VERIFIED if was_asked else Credential.Verified.NOT_SUPPORTED


def _store(tenant_id: UUID, asked: asking.Asked, verified: Credential.Verified) -> Credential:
    plaintext = json.dumps(asked.secrets, sort_keys=True, separators=(",", ":")).encode()
    credential_id, key = new_id(), asked.adapter.key
    context = _context(tenant_id, credential_id)
    kept = vault().keep(plaintext, context)
    with tenant_scope(tenant_id):
        _wait_for_turn(tenant_id, key)
        versions = Credential.objects.for_tenant(tenant_id).filter(provider_key=key)
        latest = versions.aggregate(latest=Max("version"))["latest"] or 0
        _in_use(tenant_id).filter(provider_key=key).update(
            status=Credential.Status.SUPERSEDED, updated_at=datetime.now(UTC)
        )
        vault().claim(kept, context)
        tenant_version.changed(tenant_id)
        return Credential.objects.create(
            id=credential_id,
            tenant_id=tenant_id,
            provider_key=key,
            sealed=kept,
            key_id=vault().key_id(kept),
            last4=_last4(asked),
            fingerprint=fingerprint(plaintext, tenant_id),
            version=latest + 1,
            verified=verified,
            expires_at=asked.expires_at,
        )


def _wait_for_turn(tenant_id: UUID, provider_key: str) -> None:
    """Two bindings of one provider follow one another: there may be no row yet that could be locked instead."""
    with connection.cursor() as cursor:
        turn = f"credential {tenant_id} {provider_key}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [turn])


def _last4(asked: asking.Asked) -> str:
    """The end of the first secret member, by which its owner knows it again."""
    properties = (asked.adapter.credential_schema or {}).get("properties", {})
    hidden = (asked.secrets.get(name) for name, member in properties.items() if member.get("x-secret"))
    shown = next((value.strip() for value in hidden if isinstance(value, str)), "")
    return shown[-4:] if len(shown) >= SHORTEST_SHOWN else ""


def _context(tenant_id: UUID, credential_id: UUID) -> Context:
    return Context(tenant_id, Credential._meta.db_table, credential_id, "sealed")
