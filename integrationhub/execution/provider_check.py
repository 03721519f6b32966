"""One real, authenticated call of a provider that changes nothing, and what came of it in the provider's own words.

It is no attempt: it counts in no quota, in no health and in no circuit.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from credentials import binding
from credentials.errors import CredentialNotFound
from credentials.models import Credential
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from integrationhub.core.operators import SYSTEM
from integrationhub.core.tenancy import let_go_of_connection
from providers import finding, hiding, registry
from providers.adapter import Call
from providers.answers import LONGEST_QUOTE
from providers.errors import ProviderError
from providers.models import Provider

log = structlog.get_logger(__name__)

CHECK_SECONDS = 8.0
# An operator checks for no tenant.
NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`verified` is None where the adapter offers no such call: then nothing was asked, and nothing is known."""

    provider_key: str
    verified: bool | None
    latency_ms: int
    message: str
    reason: str | None = None
    upstream_status: int | None = None
    credential_refused: bool = False

    def shown(self) -> dict[str, Any]:
        return {
            "provider_key": self.provider_key,
            "ok": self.verified,
            "verified": "not_supported" if self.verified is None else self.verified,
            "latency_ms": self.latency_ms,
            "reason": self.reason,
            "message": self.message,
            "upstream_status": self.upstream_status,
        }


def with_bound(*, tenant_id: UUID, provider_key: str) -> Verdict:
    """Ask with the credential that the tenant has in use; one that the provider refuses is shown as failing.

    Raises ProviderNotFound, AdapterNotFound, CredentialNotFound, CredentialExpired, and VaultUnreadable where the
    stored secret does not open.
    """
    provider = finding.get(provider_key)
    adapter = registry.get(provider_key)
    if adapter.credential_schema is None:
        return ask(provider, {}, tenant_id=tenant_id)
    credential = binding.in_use(tenant_id=tenant_id).get(provider_key)
    if credential is None:
        raise CredentialNotFound(
            f"No credential is bound for {adapter.display_name}: bind one with POST /credentials/bind.",
            provider_key=provider_key,
        )
    verdict = ask(provider, binding.opened(credential), tenant_id=tenant_id)
    _note(credential, verdict)
    return verdict


def ask(provider: Provider, secrets: Mapping[str, Any], *, tenant_id: UUID = NOBODY) -> Verdict:
    """Ask with these secrets, which are kept nowhere; no database connection is held meanwhile.

    Not inside a transaction. Raises AdapterNotFound.
    """
    adapter = registry.instance(provider.provider_key)
    call = Call(tenant_id, "", {}, Deadline.after(CHECK_SECONDS), base_url=provider.base_url, secrets=secrets)
    let_go_of_connection()
    let_go_of_connection(SYSTEM)
    begun = time.monotonic()
    outcome: bool | HubError
    try:
        outcome = adapter.check(call)
    except HubError as error:
        outcome = error
    except Exception:
        # What an adapter raises beside its contract may hold the secret: it is logged redacted, and not passed on.
        log.exception("An adapter's check raised what its contract does not name.", provider_key=provider.provider_key)
        outcome = HubError(f"{adapter.display_name} could not be asked: its adapter failed.", reason="adapter_error")
    return _verdict(provider, outcome, round((time.monotonic() - begun) * 1000), secrets)


def _verdict(provider: Provider, outcome: bool | HubError, latency_ms: int, secrets: Mapping[str, Any]) -> Verdict:
    key, name = provider.provider_key, provider.display_name
    if not isinstance(outcome, HubError):
        if outcome:
            return Verdict(key, True, latency_ms, f"{name} accepted these credentials.")
        return Verdict(key, None, latency_ms, f"{name} offers no call that would tell: it cannot be tested.")
    # Adapters quote their providers without the secrets; that this page shows none does not hang on each of them.
    message = hiding.without(outcome.message, secrets, LONGEST_QUOTE * 2)
    if not isinstance(outcome, ProviderError):
        return Verdict(key, False, latency_ms, message, outcome.details.get("reason") or outcome.entry.name.lower())
    return Verdict(key, False, latency_ms, message, outcome.reason, outcome.upstream_status, outcome.credential_refused)


def _note(credential: Credential, verdict: Verdict) -> None:
    if verdict.credential_refused:
        binding.mark_failing(credential, reason=verdict.reason or "refused")
    elif verdict.verified and credential.failing_since:
        binding.mark_working(credential)
