"""One real, authenticated call of a provider that changes nothing, with what a tenant has in use.

It is no attempt: it counts in no quota, in no health and in no circuit.
"""

from typing import Any
from uuid import UUID

from credentials import binding, checking, verifying
from credentials.checking import Said, Verified
from credentials.errors import CredentialNotFound
from providers import finding, registry

# Whether it works; None where nothing was asked, and nothing is known.
IS_OK: dict[Verified, bool | None] = {
    Verified.VERIFIED: True,
    Verified.FAILED: False,
    Verified.UNCHECKED: False,
    Verified.NOT_SUPPORTED: None,
}


def with_bound(*, tenant_id: UUID, provider_key: str, subject: str) -> Said:
    """Ask with the credential that the tenant has in use, and note on it what the provider says.

    Raises ProviderNotFound, AdapterNotFound, CredentialNotFound, CredentialExpired, and VaultUnreadable where the
    stored secret does not open.
    """
    finding.get(provider_key)
    adapter = registry.get(provider_key)
    if adapter.credential_schema is None:
        return checking.ask(tenant_id, adapter, {}, subject)
    credential = binding.in_use(tenant_id=tenant_id).get(provider_key)
    if credential is None:
        raise CredentialNotFound(
            f"No credential is bound for {adapter.display_name}: bind one with POST /credentials/bind.",
            provider_key=provider_key,
        )
    said = checking.ask(tenant_id, adapter, binding.opened(credential), subject)
    if said.verified != Verified.UNCHECKED:
        verifying.note(credential, said)
    return said


def shown(provider_key: str, said: Said) -> dict[str, Any]:
    ok = IS_OK[said.verified]
    return {
        "provider_key": provider_key,
        "ok": ok,
        "verified": "not_supported" if ok is None else ok,
        "latency_ms": said.latency_ms,
        "reason": said.reason,
        "message": said.message,
        "upstream_status": said.upstream_status,
    }
