"""The versions of a tenant's credential for one provider: one in use, two before it, and one that may be on trial.

What is in use changes in turn only (`take_turn`), inside the caller's `tenant_scope`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Max

from credentials.asking import Asked
from credentials.errors import CredentialBindFailed, CredentialExpired, VaultUnreadable
from credentials.models import Credential
from credentials.vault import Context, fingerprint, vault
from integrationhub.core import tenant_version
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantQuerySet
from providers import registry

Status = Credential.Status
Verified = Credential.Verified

# Older versions than these are wiped when another one is put in use.
KEPT_BEFORE = 2
# So long the provider's refusals of a version that replaced another may bring that one back.
WATCHED_FOR = timedelta(minutes=15)
# Four characters of a shorter secret would be too large a part of it.
SHORTEST_SHOWN = 12


def of(tenant_id: UUID, provider_key: str) -> TenantQuerySet:
    return Credential.objects.for_tenant(tenant_id).filter(provider_key=provider_key)


def in_use(tenant_id: UUID) -> TenantQuerySet:
    return Credential.objects.for_tenant(tenant_id).filter(status=Status.ACTIVE)


def before(credential: Credential) -> Credential | None:
    """The version that was in use before this one and whose secret is kept."""
    earlier = of(credential.tenant_id, credential.provider_key).filter(
        status=Status.SUPERSEDED, version__lt=credential.version
    )
    return earlier.order_by("-version").first()


def take_turn(tenant_id: UUID, provider_key: str) -> None:
    """Changes of one provider's versions follow one another: there may be no row yet that could be locked instead.

    The rows that hold a secret come next, in the order of their ids, as a rotation of the keys locks them.
    """
    with connection.cursor() as cursor:
        turn = f"credential {tenant_id} {provider_key}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [turn])
    list(of(tenant_id, provider_key).exclude(sealed=b"").order_by("id").select_for_update().values_list("id"))


def sealed(tenant_id: UUID, asked: Asked, verified: Verified) -> Credential:
    """A version yet to be added. Outside of any transaction: the vault may be another host.

    Raises CredentialBindFailed where the vault cannot seal; whether trying again may help, it says.
    """
    plaintext = json.dumps(asked.secrets, sort_keys=True, separators=(",", ":")).encode()
    credential = Credential(
        id=new_id(),
        tenant_id=tenant_id,
        provider_key=asked.adapter.key,
        last4=_last4(asked.adapter.credential_schema or {}, asked.secrets),
        verified=verified,
        expires_at=asked.expires_at,
    )
    try:
        credential.sealed = vault().keep(plaintext, place(credential))
        credential.key_id = vault().key_id(credential.sealed)
        credential.fingerprint = fingerprint(plaintext, tenant_id)
    except VaultUnreadable as error:
        raise _not_kept(f"The vault cannot seal this tenant's secrets; {asked.otherwise}.", error) from error
    return credential


def add(credential: Credential, asked: Asked, status: Credential.Status) -> None:
    """Raises CredentialBindFailed where the vault has not kept its secret."""
    latest = of(credential.tenant_id, credential.provider_key).aggregate(latest=Max("version"))["latest"]
    credential.version, credential.status = (latest or 0) + 1, status
    try:
        vault().claim(bytes(credential.sealed), place(credential))
    except VaultUnreadable as error:
        raise _not_kept(f"{error.message} Nothing was changed.", error) from error
    credential.save(force_insert=True)
    adapter = registry.instance(asked.adapter.key)
    adapter.keep(tenant_id=credential.tenant_id, credential_id=credential.id, secrets=asked.secrets)


def put_in_use(credential: Credential, *, watched: bool, **changes: Any) -> tuple[Credential, list[int]]:
    """Write `changes` on it as the one in use; it is VERIFIED only where the provider was asked just now. The one that
    was in use is superseded; while the new one is `watched` it may come back by itself. The second of what it returns
    are the versions that were wiped, since they are too old."""
    tenant_id, now = credential.tenant_id, datetime.now(UTC)
    rows = of(tenant_id, credential.provider_key)
    had_one = rows.filter(status=Status.ACTIVE).update(status=Status.SUPERSEDED, watched_until=None, updated_at=now)
    rows.filter(id=credential.id).update(
        status=Status.ACTIVE,
        watched_until=now + WATCHED_FOR if had_one and watched else None,
        refusals=0,
        updated_at=now,
        **changes,
    )
    spent = rows.filter(status=Status.SUPERSEDED).order_by("-version").values_list("id", flat=True)[KEPT_BEFORE:]
    wiped = wipe(rows.filter(id__in=list(spent)))
    tenant_version.changed(tenant_id)
    in_use_now = rows.get(id=credential.id)
    if in_use_now.verified == Verified.VERIFIED:
        accepted(in_use_now)
    return in_use_now, wiped


def accepted(credential: Credential) -> None:
    """Its provider has accepted it: its adapter writes down what that proves."""
    if registry.find(credential.provider_key):
        adapter = registry.instance(credential.provider_key)
        adapter.proven(tenant_id=credential.tenant_id, credential_id=credential.id)


def wipe(rows: TenantQuerySet, status: Credential.Status = Status.REVOKED) -> list[int]:
    """Their secrets are gone for good; the records stay. Returns the versions whose secrets they were."""
    # Locked, since a rotation of the keys may be about to keep a secret elsewhere.
    held = list(rows.exclude(sealed=b"").order_by("id").select_for_update())
    for credential in held:
        vault().discard(bytes(credential.sealed), place(credential))
    rows.update(sealed=b"", key_id="", status=status, watched_until=None, updated_at=datetime.now(UTC))
    return sorted(credential.version for credential in held)


def expired(credential: Credential) -> CredentialExpired:
    return CredentialExpired(
        f"The credential for {credential.provider_key} expired at {credential.expires_at:%Y-%m-%d %H:%M:%S} UTC.",
        provider_key=credential.provider_key,
    )


def place(credential: Credential) -> Context:
    """Where its secret is sealed for: each version is a row of its own."""
    return Context(credential.tenant_id, Credential._meta.db_table, credential.id, "sealed")


def _not_kept(message: str, error: VaultUnreadable) -> CredentialBindFailed:
    reason = "vault_unavailable" if error.is_passing else "vault_unreadable"
    return CredentialBindFailed(message, reason=reason, retryable=error.is_passing)


def _last4(schema: Mapping[str, Any], secrets: Mapping[str, Any]) -> str:
    """The end of the first secret member, by which its owner knows it again."""
    hidden = (secrets.get(name) for name, member in schema.get("properties", {}).items() if member.get("x-secret"))
    shown = next((value.strip() for value in hidden if isinstance(value, str)), "")
    return shown[-4:] if len(shown) >= SHORTEST_SHOWN else ""
