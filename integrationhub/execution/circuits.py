"""The circuit breaker: a provider that fails again and again is left alone for a while, and asked now and then.

Each provider has a circuit per tenant and one for all tenants, shared by all processes through Redis. What a failure
says of whom is decided here: a refused credential speaks of nobody but its owner and opens nothing, an account's own
throttle opens the tenant's circuit, and what shows the provider itself to be sick counts in both. Sandbox providers
have no circuits.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

import structlog

from integrationhub.core import valkey_client
from integrationhub.core.errors import HubError
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.circuit_state import ADMIT, RECORD, REPEAT, SHUT, LocalCircuits
from integrationhub.outbox import events
from providers.adapter import Receipt
from providers.errors import Ambiguous, Next, Retry

log = structlog.get_logger(__name__)

# A caller who allows less than a provider may take says nothing about the provider by running out of it.
FAIR_SECONDS = 5.0
# What only the provider, or the way to it, can be at fault for: these count for all tenants. Whatever else an adapter
# names (no sender set, a message accepted in part, an address that is none) is one account's, and counts for nobody.
ITS_OWN_FAULTS = frozenset(
    {
        *("refused", "dns", "tls", "connect_timeout", "not_connected"),
        *("read_timeout", "connection_lost", "answer_too_large", "unreadable_answer"),
    }
)
LONGEST_LEFT_ALONE_SECONDS = 300.0

OK, FAILED, NONE = "ok", "failed", "none"

_local = LocalCircuits()
# What Redis said of a circuit holds for a second: what another process learns, this one learns a second later, or with
# the next failure of its own. Of a closed one it is not asked again; where there was no failure for half a minute it is
# not told of each success either, but of all of them together.
_closed: ShortMemory[tuple[UUID, str], bool] = ShortMemory(seconds=1, capacity=10_000)
_calm: ShortMemory[tuple[UUID, str], bool] = ShortMemory(seconds=1, capacity=10_000)
_untold: Counter[tuple[UUID, str]] = Counter()
MOST_UNTOLD = 10_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a provider is not called now, as a word of `routing.WHY_SKIPPED`, and in how many seconds it may be."""

    reason: str
    seconds: float


def admit(tenant_id: UUID, provider_key: str) -> Refusal | None:
    """Ask before a call; None lets it through. Of an open circuit one call each five seconds is, as its probe."""
    if _closed.get((tenant_id, provider_key)):
        return None
    wait, is_left_alone = _asked(tenant_id, provider_key, take_probe=True)
    return _refusal(wait, is_left_alone) if wait > 0 else None


def look(tenant_id: UUID, provider_key: str) -> Refusal | None:
    """What `admit` would say, for a plan: no probe is taken."""
    wait, is_left_alone = _asked(tenant_id, provider_key, take_probe=False)
    return _refusal(wait, is_left_alone) if wait > 0 else None


def record(tenant_id: UUID, provider_key: str, outcome: Receipt | HubError, *, allowed_seconds: float) -> None:
    """Note what came of a call that was allowed so many seconds."""
    keys, verdicts = _keys(tenant_id, provider_key), verdict_of(outcome, allowed_seconds)
    alone = (_left_alone_seconds(outcome), 0.0)
    circuit = tenant_id, provider_key
    if verdicts == (NONE, NONE) and not any(alone):
        return
    if verdicts == (OK, OK) and _calm.get(circuit):
        if len(_untold) >= MOST_UNTOLD:
            _untold.clear()  # Successes of tenants that have gone quiet; they would only dilute failures to come.
        _untold[circuit] += 1
        return
    calls = 1 + _untold.pop(circuit, 0)
    found = valkey_client.run(RECORD, keys, [*verdicts, *(round(seconds * 1000) for seconds in alone), calls])
    changes, states = found if found is not None else _local.record(keys, verdicts, alone, calls)
    for memory, is_so in ((_closed, max(states) < SHUT), (_calm, max(states) == 0)):
        memory.put(circuit, True) if is_so else memory.forget(circuit)
    _tell(tenant_id, provider_key, changes)


def may_repeat(provider_key: str) -> bool:
    """Whether a provider may be called a second time for one execution: at most a fifth of its calls are repeats."""
    key = _keys(None, provider_key)[0]
    found = valkey_client.run(REPEAT, [key], [])
    return bool(found) if found is not None else _local.repeat(key)


def forget() -> None:
    """Start anew, as in a new process; what Redis holds stays."""
    _closed.clear()
    _calm.clear()
    _untold.clear()
    _local.clear()


def verdict_of(outcome: Receipt | HubError, allowed_seconds: float) -> tuple[str, str]:
    """What an outcome says of the provider: in the tenant's circuit, and in the one for all tenants."""
    if not isinstance(outcome, Retry | Next | Ambiguous):
        return OK, OK
    status = outcome.upstream_status
    if isinstance(outcome, Retry):
        return FAILED, FAILED if status == HTTPStatus.SERVICE_UNAVAILABLE else NONE
    if isinstance(outcome, Ambiguous) and (status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FAILED, FAILED
    if outcome.reason == "adapter_error":
        return FAILED, NONE
    is_answered_by_account = isinstance(outcome, Next) and status is not None
    if outcome.reason not in ITS_OWN_FAULTS or is_answered_by_account or allowed_seconds < FAIR_SECONDS:
        return NONE, NONE
    return FAILED, FAILED


def _left_alone_seconds(outcome: Receipt | HubError) -> float:
    if isinstance(outcome, Retry | Next) and outcome.retry_after:
        return min(LONGEST_LEFT_ALONE_SECONDS, outcome.retry_after)
    return 0.0


def _asked(tenant_id: UUID, provider_key: str, *, take_probe: bool) -> Sequence[int]:
    keys = _keys(tenant_id, provider_key)
    found: Sequence[int] | None = valkey_client.run(ADMIT, keys, ["1" if take_probe else "0"])
    return found if found is not None else _local.admit(keys, take_probe=take_probe)


def _refusal(wait_ms: int, is_left_alone: int) -> Refusal:
    return Refusal("cooling_down" if is_left_alone else "circuit_open", wait_ms / 1000)


def _keys(tenant_id: UUID | None, provider_key: str) -> list[str]:
    shared = f"hub:circuit:{provider_key}"
    return [f"{shared}:{tenant_id}", shared] if tenant_id else [shared]


def _tell(tenant_id: UUID, provider_key: str, changes: Sequence[int]) -> None:
    """Operators read of both circuits in the log; the tenant is told of its own."""
    for scope, change in zip(("tenant", "all_tenants"), changes, strict=True):
        if not change:
            continue
        kind = "provider.circuit_opened" if change > 0 else "provider.circuit_closed"
        log.warning("A circuit changed.", event_kind=kind, provider_key=provider_key, scope=scope)
        if scope == "tenant":
            with tenant_scope(tenant_id):
                events.publish(tenant_id=tenant_id, kind=kind, provider_key=provider_key)
