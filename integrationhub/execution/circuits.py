"""The circuit breaker: a provider that fails again and again is left alone for a while, and asked now and then.

Each provider has a circuit per tenant and one for all tenants, shared by all processes through Redis. What a failure
says of whom is decided here: what one account or one caller is at fault for opens nothing, an account's own throttle
opens the tenant's circuit, and what shows the provider itself to be sick counts in both. Sandbox providers have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

import structlog

from integrationhub.core import valkey_client
from integrationhub.core.errors import HubError
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.circuit_state import (
    ADMIT,
    CALLS,
    CALM,
    GIVE_BACK,
    LOOK,
    RECORD,
    REPEAT,
    SHUT,
    LocalCircuits,
)
from integrationhub.outbox import events
from providers import registry
from providers.adapter import Receipt
from providers.errors import Ambiguous, Next, Retry

log = structlog.get_logger(__name__)

# What only the provider, or the way to it, can be at fault for: these count for all tenants. Whatever else an adapter
# names (no sender set, a message accepted in part, an address that is none) is one account's, and counts for nobody.
ITS_OWN_FAULTS = frozenset(
    {
        *("refused", "dns", "tls", "connect_timeout", "not_connected"),
        *("read_timeout", "connection_lost", "answer_too_large", "unreadable_answer"),
    }
)
# A caller who allows less time than this says nothing about the provider by running out of it.
FAIR_SECONDS = {"dns": 2.0, "connect_timeout": 2.0, "read_timeout": 4.0}
LONGEST_LEFT_ALONE_SECONDS = 300.0

OPENED, CLOSED = "provider.circuit_opened", "provider.circuit_closed"
OK, FAILED, ALIVE, NONE = "ok", "failed", "alive", "none"

_local = LocalCircuits()
# What Redis said of a circuit holds for a second, for all who ask in this process: what another process learns, this
# one learns a second later, or with the next failure of its own. A closed circuit is not asked about again; a calm one
# (no failure for half a minute) is not told of each success either, but of all of them with the next that it is told.
_states: ShortMemory[str, int] = ShortMemory(seconds=1, capacity=20_000)
_untold: ShortMemory[str, int] = ShortMemory(seconds=2, capacity=20_000)
_calls: ShortMemory[tuple[UUID, str], tuple[int, int]] = ShortMemory(seconds=2, capacity=20_000)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a provider is not called now, as a word of `routing.WHY_SKIPPED`, and in how many seconds it may be."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """`state` is closed, open, or half_open: the next call finds out. An open one says why, as a `Refusal` does."""

    state: str
    reason: str | None = None
    seconds: float | None = None


def admit(tenant_id: UUID, provider_key: str) -> Refusal | None:
    """Ask before a call; None lets it through. Of an open circuit one call each five seconds is, as its probe: a call
    that is then not made gives it back (`give_back`)."""
    keys = _keys(tenant_id, provider_key)
    return None if _known(keys) < SHUT else _asked(keys, take_probe=True)


def look(tenant_id: UUID, provider_key: str) -> Refusal | None:
    """What `admit` would say, for a plan: no probe is taken."""
    return _asked(_keys(tenant_id, provider_key), take_probe=False)


def standings(circuits: Sequence[tuple[UUID | None, str]]) -> list[Standing]:
    """How each circuit stands, by one trip and without a probe: of a tenant and provider, or (None) of all tenants."""
    keys = [_keys(tenant_id, provider_key)[0] for tenant_id, provider_key in circuits]
    found: Sequence[tuple[int, int]] | None = valkey_client.run(LOOK, keys, []) if keys else []
    return [_standing(*each) for each in (_local.look(keys) if found is None else found)]


def calls_of(tenant_id: UUID, provider_keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Calls and failures of each provider within the last half minute, of this tenant or of all, whichever went worse;
    only of those that were called. What this process knows of it is at most two seconds old."""
    missing = [key for key in provider_keys if _calls.get((tenant_id, key)) is None]
    if missing:
        keys = [circuit for key in missing for circuit in _keys(tenant_id, key)]
        found: Sequence[Sequence[int]] | None = valkey_client.run(CALLS, keys, [])
        told = [(calls, failures) for calls, failures in (_local.calls(keys) if found is None else found)]
        for key, own, shared in zip(missing, told[::2], told[1::2], strict=True):
            _calls.put((tenant_id, key), max(own, shared, key=lambda each: each[1] / max(1, each[0])))
    known = {key: _calls.get((tenant_id, key)) for key in provider_keys}
    return {key: told for key, told in known.items() if told and told[0]}


def give_back(tenant_id: UUID, provider_key: str) -> None:
    """The call that was admitted is not made: if it was the probe, another may be."""
    keys = _keys(tenant_id, provider_key)
    if _known(keys) == SHUT:
        _local.give_back(keys)
        valkey_client.run(GIVE_BACK, keys, [])


def record(tenant_id: UUID, provider_key: str, outcome: Receipt | HubError, *, allowed_seconds: float) -> str | None:
    """Note what came of a call that was allowed so many seconds; returns the kind of event to tell the tenant of.

    Operators read in the log of both circuits.
    """
    keys, verdicts = _keys(tenant_id, provider_key), verdict_of(outcome, allowed_seconds)
    adapter = registry.find(provider_key)
    if adapter and adapter.has_own_address:  # Another tenant's is another service.
        verdicts = (verdicts[0], NONE)
    alone = (_left_alone_seconds(outcome), 0.0)
    known = _known(keys)
    if verdicts == (OK, OK) and known == CALM:
        for key in keys:
            _untold.put(key, (_untold.get(key) or 0) + 1)
    elif verdicts == (NONE, NONE) and not any(alone):
        if _was_not_made(outcome):
            give_back(tenant_id, provider_key)
    elif known == SHUT or verdicts != (ALIVE, ALIVE) or any(alone):
        return _news(provider_key, _recorded(keys, verdicts, alone))
    return None


def tell(tenant_id: UUID, provider_key: str, kind: str) -> None:
    """Write the event that `record` returned."""
    with tenant_scope(tenant_id):
        events.publish(tenant_id=tenant_id, kind=kind, provider_key=provider_key)


def may_repeat(provider_key: str) -> bool:
    """Whether a provider may be called a second time for one execution: at most a fifth of its calls are repeats."""
    key = _keys(None, provider_key)[0]
    found = valkey_client.run(REPEAT, [key], [])
    return bool(found) if found is not None else _local.repeat(key)


def forget() -> None:
    """Start anew, as in a new process; what Redis holds stays."""
    _states.clear()
    _untold.clear()
    _calls.clear()
    _local.clear()


def verdict_of(outcome: Receipt | HubError, allowed_seconds: float) -> tuple[str, str]:
    """What an outcome says of the provider: in the tenant's circuit, and in the one for all tenants."""
    if not isinstance(outcome, Retry | Next | Ambiguous):
        return OK, OK
    status = outcome.upstream_status
    if isinstance(outcome, Retry):
        return FAILED, FAILED if status == HTTPStatus.SERVICE_UNAVAILABLE else ALIVE
    if isinstance(outcome, Next) and status is not None:
        return ALIVE, ALIVE
    if isinstance(outcome, Ambiguous) and (status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FAILED, FAILED
    if outcome.reason == "adapter_error":
        return FAILED, NONE
    if outcome.reason not in ITS_OWN_FAULTS or allowed_seconds < FAIR_SECONDS.get(outcome.reason, 0.0):
        return NONE, NONE
    return FAILED, FAILED


def _was_not_made(outcome: Receipt | HubError) -> bool:
    """Whether an adapter gave up before it called."""
    return isinstance(outcome, Next) and outcome.upstream_status is None and outcome.reason not in ITS_OWN_FAULTS


def _left_alone_seconds(outcome: Receipt | HubError) -> float:
    if isinstance(outcome, Retry | Next) and outcome.retry_after:
        return min(LONGEST_LEFT_ALONE_SECONDS, outcome.retry_after)
    return 0.0


def _keys(tenant_id: UUID | None, provider_key: str) -> list[str]:
    shared = f"hub:circuit:{provider_key}"
    return [f"{shared}:{tenant_id}", shared] if tenant_id else [shared]


def _known(keys: Sequence[str]) -> int:
    """The worst state of these circuits, as far as this process knows; one that it does not know is as if shut."""
    return max(SHUT if (state := _states.get(key)) is None else state for key in keys)


def _asked(keys: Sequence[str], *, take_probe: bool) -> Refusal | None:
    found: Sequence[int] | None = valkey_client.run(ADMIT, keys, ["1" if take_probe else "0"])
    wait_ms, is_left_alone = found if found is not None else _local.admit(keys, take_probe=take_probe)
    if wait_ms <= 0:
        return None
    return Refusal("cooling_down" if is_left_alone else "circuit_open", wait_ms / 1000)


def _standing(wait_ms: int, is_left_alone: int) -> Standing:
    if wait_ms <= 0:
        return Standing("half_open" if wait_ms < 0 else "closed")
    return Standing("open", "cooling_down" if is_left_alone else "circuit_open", wait_ms / 1000)


def _recorded(keys: Sequence[str], verdicts: Sequence[str], alone: Sequence[float]) -> Sequence[int]:
    """Tell Redis, and this process's own circuits too, which serve when it goes away; returns what changed."""
    counts = [1 + (_untold.get(key) or 0) for key in keys]
    mine = _local.record(keys, verdicts, alone, counts)
    found = valkey_client.run(RECORD, keys, [*verdicts, *(round(seconds * 1000) for seconds in alone), *counts])
    changes, states = mine if found is None else found
    for key, state in zip(keys, states, strict=True):
        _untold.forget(key)
        _states.put(key, state)
    return changes


def _news(provider_key: str, changes: Sequence[int]) -> str | None:
    kinds = [None if change == 0 else OPENED if change > 0 else CLOSED for change in changes]
    for scope, kind in zip(("tenant", "all_tenants"), kinds, strict=True):
        if kind:
            log.warning("A circuit changed.", event_kind=kind, provider_key=provider_key, scope=scope)
    return kinds[0]
