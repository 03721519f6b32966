"""What a caller is told when no provider delivered."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.execution import circuits
from integrationhub.execution.errors import AllProvidersFailed, IpfsUnavailable
from integrationhub.execution.models import Attempt
from integrationhub.execution.routing import WHY_SKIPPED
from providers import ipfs, s3
from providers.errors import Stop

NOBODY_MAY_BE_CALLED = "No provider of the chain may be called now; details.errors tells of each why."
SKIP_ENTRIES: dict[str, Entry] = {
    "credential_missing": catalogue.CREDENTIAL_NOT_FOUND,
    "credential_expired": catalogue.CREDENTIAL_EXPIRED,
    "no_adapter": catalogue.ADAPTER_NOT_FOUND,
    "connection_missing": catalogue.CONNECTION_NOT_FOUND,
    "connection_unknown": catalogue.CONNECTION_NOT_FOUND,
    "connection_of_other_provider": catalogue.CONNECTION_NOT_FOUND,
    "connection_scopes": catalogue.CONNECTION_NOT_FOUND,
    "connection_broken": catalogue.OAUTH_REFRESH_FAILED,
}
# Reasons for skipping a provider that pass by themselves.
PASSING = ("circuit_open", "throttled", "cooling_down", "call_limit", "deadline")
# Why a provider had nothing to read or to remove: where all of them say so, that is the answer.
NOWHERE = {
    s3.NOT_FOUND: "None of the tenant's stores has this object.",
    ipfs.FOUND_NOWHERE: "None of the tenant's nodes has this content.",
    ipfs.NOT_PINNED: "It is not pinned.",
}


def refusal(verdict: HubError, provider_key: str) -> HubError:
    """A `stop`: the entry that the provider's code names, else INVALID_REQUEST; always with who refused."""
    if not isinstance(verdict, Stop):
        return verdict
    said = {"provider_key": provider_key, "upstream_status": verdict.upstream_status, **verdict.details}
    if verdict.entry is catalogue.EXECUTION_FAILED:
        return InvalidRequest(verdict.message, reason="refused_by_provider", **said)
    details = {"reason": verdict.reason, **said}
    return HubError(
        verdict.message, entry=verdict.entry, retryable=verdict.is_retryable, retry_after=verdict.retry_after, **details
    )


def all_failed(
    intent: str, attempts: Sequence[Attempt], skipped_ones: Sequence[Mapping[str, str]], pauses: Sequence[float]
) -> HubError:
    """One entry for each attempt and for each provider that was skipped; `pauses` are the seconds in which each of them
    may be asked again."""
    failures = [
        {
            "provider_key": attempt.provider_key,
            "code": attempt.code,
            "message": attempt.message,
            "reason": attempt.reason,
            "upstream_status": attempt.upstream_status,
            "retryable": attempt.retryable,
            "latency_ms": attempt.latency_ms,
        }
        for attempt in attempts
    ]
    failures += [
        {
            **skipped,
            "code": SKIP_ENTRIES.get(skipped["reason"], catalogue.EXECUTION_FAILED).code,
            "message": WHY_SKIPPED[skipped["reason"]],
            "upstream_status": None,
            "retryable": skipped["reason"] in PASSING,
            "latency_ms": None,
        }
        for skipped in skipped_ones
    ]
    tried = ", ".join(dict.fromkeys(attempt.provider_key for attempt in attempts))
    message = f"Every provider of the chain failed: {tried}." if tried else NOBODY_MAY_BE_CALLED
    wait = max(1, math.ceil(min(pauses)))
    concerned = [failure for failure in failures if failure["reason"] != "intent_not_supported"]
    # What is to be pinned may turn up yet.
    if intent != "storage.pin.ipfs" and (reason := _nowhere(concerned)):
        return InvalidRequest(NOWHERE[reason], status=404, reason=reason, errors=failures)
    if intent.endswith(".ipfs") and all(map(_is_away, concerned)):
        return IpfsUnavailable(f"No node of IPFS can be used now. {message}", retry_after=wait, errors=failures)
    return AllProvidersFailed(message, retry_after=wait, errors=failures)


def _nowhere(failures: Sequence[Mapping[str, Any]]) -> str | None:
    """The one reason of `NOWHERE` that all of them give. Who was not asked may have it."""
    reasons = {failure["reason"] for failure in failures}
    return reasons.pop() if len(reasons) == 1 and reasons <= NOWHERE.keys() else None


def _is_away(failure: Mapping[str, Any]) -> bool:
    """Whether nobody answered for this provider; a proxy's word that it is down is no answer of its own."""
    if failure["upstream_status"] is None:
        return failure["reason"] in circuits.ITS_OWN_FAULTS or failure["reason"] in PASSING
    return failure["upstream_status"] in (502, 503, 504)
