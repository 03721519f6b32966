"""Asking a provider whether it accepts a secret, by a real authenticated call that changes nothing."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS

from credentials.asking import Asked
from credentials.errors import CredentialBindFailed
from credentials.models import Credential
from integrationhub.audit import trail
from integrationhub.core.deadline import Deadline
from integrationhub.core.operators import SYSTEM
from integrationhub.core.tenancy import let_go_of_connection
from providers import finding, hiding, registry
from providers.adapter import Adapter, Call
from providers.errors import Blocked, Next, ProviderError, Stop

logger = logging.getLogger(__name__)

CHECK_SECONDS = 8
LONGEST_WORDS = 400
Verified = Credential.Verified


@dataclass(frozen=True, slots=True)
class Said:
    """What came of asking. `verified` is FAILED for a refusal, and UNCHECKED where the provider could not be asked;
    `reason` is the word for either. `message` is a sentence, of a refusal the provider's own without the secrets."""

    verified: Verified
    message: str
    reason: str | None = None
    upstream_status: int | None = None
    may_pass: bool = False
    latency_ms: int = 0


def confirmed(tenant_id: UUID, asked: Asked, subject: str) -> Verified:
    """What may be stored of it. Raises CredentialBindFailed if the provider does not accept it or cannot be asked."""
    if not asked.verify:
        return Verified.UNCHECKED
    said = ask(tenant_id, asked.adapter, asked.secrets, subject)
    if said.verified in (Verified.FAILED, Verified.UNCHECKED):
        raise not_accepted(asked.adapter, said, asked.otherwise)
    return said.verified


def ask(tenant_id: UUID, adapter: type[Adapter], secrets: Mapping[str, Any], subject: str) -> Said:
    """Ask within eight seconds, for the tenant in whose trail an address stands that may not be dialled; `subject` is
    who wants to know. Not inside a transaction: no connection to the database is held meanwhile."""
    base_url = finding.get(adapter.key).base_url
    call = Call(tenant_id, "", {}, Deadline.after(CHECK_SECONDS), base_url=base_url, secrets=secrets)
    for alias in (DEFAULT_DB_ALIAS, SYSTEM):
        let_go_of_connection(alias)
    begun = time.monotonic()
    said, error = _said(adapter, call)
    if isinstance(error, Blocked):
        about = f"provider:{adapter.key}"
        trail.note(tenant_id=tenant_id, action="outbound.blocked", actor=subject, about=about, asked_by="check")
    return replace(said, latency_ms=round((time.monotonic() - begun) * 1000))


def _said(adapter: type[Adapter], call: Call) -> tuple[Said, ProviderError | None]:
    name = adapter.display_name
    try:
        if registry.instance(adapter.key).check(call):
            return Said(Verified.VERIFIED, f"{name} accepted these credentials."), None
    except ProviderError as error:
        is_refusal = isinstance(error, Stop) or (isinstance(error, Next) and error.upstream_status is not None)
        verified = Verified.FAILED if is_refusal else Verified.UNCHECKED
        # Adapters quote their providers without the secrets; that nobody reads one here does not hang on each of them.
        words = hiding.without(error.message, call.secrets, LONGEST_WORDS)
        return Said(verified, words, error.reason, error.upstream_status, may_pass=not is_refusal), error
    except Exception as fault:  # noqa: BLE001  Foreign code ends here.
        # What an adapter raises beside its contract may hold the secret: it is logged without, and not passed on.
        said = hiding.traceback_without(fault, call.secrets)
        logger.error("An adapter's check raised what its contract does not name.", extra={"exception": said})
        return Said(Verified.UNCHECKED, f"{name} could not be asked: its adapter failed.", "adapter_error"), None
    return Said(Verified.NOT_SUPPORTED, f"{name} offers no call that would tell: it cannot be tested."), None


def not_accepted(adapter: type[Adapter], said: Said, otherwise: str) -> CredentialBindFailed:
    """The failure of what depended on the answer; `otherwise` says what that leaves as it was."""
    words = "did not accept" if said.verified == Verified.FAILED else "could not be asked about"
    return CredentialBindFailed(
        f"{adapter.display_name} {words} these credentials ({said.reason}); {otherwise}.",
        reason="verification_failed",
        retryable=said.may_pass,
        provider_key=adapter.key,
        upstream_reason=said.reason,
        upstream_status=said.upstream_status,
    )
