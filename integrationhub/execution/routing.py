"""Which of the tenant's providers are tried for an intent, in which order, and why the others are not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from credentials.errors import CredentialExpired, CredentialNotFound
from credentials.models import Credential
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.core.ids import read_id
from integrationhub.execution import ordering, resolution
from integrationhub.execution.errors import NoProviders
from integrationhub.execution.models import Mode, Strategy
from integrationhub.execution.order import Order
from integrationhub.execution.ordering import NO_RULE, Ranked
from integrationhub.execution.resolution import Resolution
from marketplace.installing import Candidate
from oauth import connections
from oauth.errors import ConnectionNotFound, OAuthRefreshFailed
from oauth.models import Connection
from providers import registry
from providers.adapter import Adapter
from providers.errors import ProviderNotFound
from providers.models import Provider, Status

WHY_SKIPPED = {
    "no_adapter": "No adapter speaks to it yet.",
    "intent_not_supported": "It does not serve this intent.",
    "installation_disabled": "The tenant has disabled its installation.",
    "provider_planned": "It is planned, not active.",
    "provider_disabled": "Operators have disabled it.",
    "provider_retired": "It is retired.",
    "cannot_tell": "Nobody would hear from it how far the message came, as options.success_status wants.",
    "sandbox_disabled": "This deployment has no sandbox.",
    "sandbox_provider": "A sandbox never answers for a live run.",
    "live_provider": "A sandbox run reaches no live provider.",
    "credential_missing": "No credential is bound for it.",
    "credential_expired": "Its credential has expired.",
    "connection_missing": "No connection is named for it: options.connection_id, or its installation's.",
    "connection_unknown": "There is no such connection.",
    "connection_of_other_provider": "The connection is one of another provider.",
    "connection_broken": "The owner of its connection has to connect it again.",
    "connection_scopes": "Its connection was not granted what this needs.",
    "circuit_open": "It failed too often just now and is left alone for a moment.",
    "cooling_down": "It asked to be left alone for a while.",
    "throttled": "It is called no faster than the tenant's route says.",
    "call_limit": "The chain had made all the calls that one execution may make.",
    "deadline": "The deadline of the execution, or its expires_at, was too near to begin another attempt.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One provider of the chain with the tenant's configuration of it; its credential is sealed."""

    provider_key: str
    adapter: type[Adapter]
    config: Mapping[str, Any]
    base_url: str
    credential: Credential | None = field(repr=False)
    connection_id: UUID | None = None
    # The tenant's own limit of its calls.
    max_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A provider that is not tried; `reason` is one of `WHY_SKIPPED`."""

    provider_key: str
    reason: str

    def shown(self) -> dict[str, str]:
        return {"provider_key": self.provider_key, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Chain:
    steps: tuple[Step, ...]
    skipped: tuple[Skipped, ...]
    mode: Mode
    strategy: str = Strategy.PRIORITY
    behind: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def planned(self) -> dict[str, Any]:
        """What of it is kept with the execution, to explain it by."""
        plan: dict[str, Any] = {"strategy": self.strategy, "chain": [step.provider_key for step in self.steps]}
        return {**plan, "behind": dict(self.behind)} if self.behind else plan


def chain_for(order: Order) -> Chain:
    """The chain of an order.

    Raises ProviderNotFound, AdapterNotFound, NoProviders, CredentialNotFound or CredentialExpired when there is none;
    nothing has been stored or counted by then.
    """
    settled = resolution.of(order.tenant_id, order.tenant_version)
    rule, are_named = settled.rules.get(order.intent.name, NO_RULE), bool(order.options.providers)
    candidates = _named(order, settled.candidates) if are_named else ordering.placed(settled.candidates, rule)
    usable, skipped = _sieve(order, candidates, settled, rule.paces)
    mode, usable, out_of_mode = _in_mode(order.options.mode, usable)
    skipped += out_of_mode
    if not usable:
        raise _nothing_left(order, skipped)
    usable = _with_their_connections(order, usable)
    steps, without = _with_credentials(order.tenant_id, usable)
    skipped += without
    if not steps or (are_named and without):
        raise _credential_fault(without)
    found = {step.provider_key: step for step in steps}
    ranked = Ranked(list(found), "named") if are_named else ordering.ranked(order.tenant_id, list(found), rule)
    return Chain(tuple(found[key] for key in ranked.keys), tuple(skipped), mode, ranked.strategy, ranked.behind)


def _named(order: Order, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The providers that the caller named, in that order; naming one that cannot serve is the caller's error."""
    installed = {candidate.provider_key: candidate for candidate in candidates}
    missing = [key for key in order.options.providers if key not in installed]
    rows = {row.provider_key for row in Provider.objects.filter(provider_key__in=missing)}
    for key in order.options.providers:
        if key in missing and key not in rows:
            raise ProviderNotFound(f"There is no provider {key!r}. Keys are case-sensitive.", provider_key=key)
        registry.get(key)
        if key in missing:
            raise NoProviders(f"The provider {key!r} is not installed.", reason="not_installed", provider_key=key)
    return [installed[key] for key in order.options.providers]


def _sieve(
    order: Order, candidates: Sequence[Candidate], settled: Resolution, paces: Mapping[str, float]
) -> tuple[list[Step], list[Skipped]]:
    steps, skipped = [], []
    for candidate in candidates:
        adapter = registry.find(candidate.provider_key)
        reason = _unfit(order, candidate, adapter)
        if adapter is None or reason:
            skipped.append(Skipped(candidate.provider_key, reason or "no_adapter"))
        else:
            credential = settled.credentials.get(candidate.provider_key)
            steps.append(
                Step(
                    candidate.provider_key,
                    adapter,
                    candidate.config,
                    candidate.base_url,
                    credential,
                    max_per_second=paces.get(candidate.provider_key),
                )
            )
    return steps, skipped


def _unfit(order: Order, candidate: Candidate, adapter: type[Adapter] | None) -> str | None:
    """Why this candidate is not tried, as a lower_snake word, or None when it is fit."""
    if adapter is None:
        return "no_adapter"
    if order.intent.name not in adapter.intents:
        return "intent_not_supported"
    if not candidate.enabled:
        return "installation_disabled"
    if candidate.provider_status != Status.ACTIVE:
        return f"provider_{candidate.provider_status}"
    if order.options.is_awaited and not _tells(adapter, candidate, order.options.success_status):
        return "cannot_tell"
    if adapter.is_sandbox and not settings.SANDBOX_ENABLED:
        return "sandbox_disabled"
    return None


def _tells(adapter: type[Adapter], candidate: Candidate, status: str) -> bool:
    """Whether it will be known how far a message came: its provider can be asked, or was told where to report."""
    return f"message.{status}" in adapter.tells and (adapter.can_be_asked() or adapter.is_told_where(candidate.config))


def _in_mode(wanted: Mode | None, steps: Sequence[Step]) -> tuple[Mode, list[Step], list[Skipped]]:
    """A run is wholly sandbox or wholly live: a sandbox provider never answers for a real one."""
    only_sandbox = all(step.adapter.is_sandbox for step in steps)
    mode = wanted or (Mode.SANDBOX if only_sandbox else Mode.LIVE)
    fit = [step for step in steps if step.adapter.is_sandbox == (mode == Mode.SANDBOX)]
    reason = "live_provider" if mode == Mode.SANDBOX else "sandbox_provider"
    return mode, fit, [Skipped(step.provider_key, reason) for step in steps if step not in fit]


def _with_their_connections(order: Order, steps: Sequence[Step]) -> list[Step]:
    """Each that acts by a connection with the one that the order names, else its installation does.

    Raises InvalidRequest where the order names one and none of them takes it.
    """
    named = order.options.connection_id
    if named and not any(step.adapter.connection_provider for step in steps):
        expected = "null: no provider of this chain acts by a connection"
        raise InvalidRequest(
            "No provider of this chain acts by a connection; leave options.connection_id out.",
            reason="invalid_fields",
            fields=[{"field": "options.connection_id", "reason": "not_allowed", "expected": expected}],
        )
    return [
        replace(step, connection_id=named or _installed_connection(step)) if step.adapter.connection_provider else step
        for step in steps
    ]


def _installed_connection(step: Step) -> UUID | None:
    return read_id(step.config.get("connection_id") or "")


def _with_credentials(tenant_id: UUID, steps: Sequence[Step]) -> tuple[list[Step], list[Skipped]]:
    now = datetime.now(UTC)
    by_connection = {step.connection_id for step in steps if step.connection_id}
    known = connections.found(tenant_id=tenant_id, ids=by_connection) if by_connection else {}
    lacks = {
        step.provider_key: _connection_lack(step, known) if step.adapter.connection_provider else _lack(step, now)
        for step in steps
    }
    fit = [step for step in steps if lacks[step.provider_key] is None]
    return fit, [Skipped(key, lack) for key, lack in lacks.items() if lack]


def _lack(step: Step, now: datetime) -> str | None:
    """What is wrong with the credential of a provider that needs one, as a word of `WHY_SKIPPED`."""
    if step.adapter.credential_schema is None:
        return None
    if step.credential is None:
        is_served = registry.instance(step.provider_key).serves_without_credential()
        return None if is_served else "credential_missing"
    return "credential_expired" if step.credential.is_expired(now) else None


def _connection_lack(step: Step, known: Mapping[UUID, Connection]) -> str | None:
    """What is wrong with the connection of a provider that acts by one, as a word of `WHY_SKIPPED`."""
    if step.connection_id is None:
        return "connection_missing"
    connection = known.get(step.connection_id)
    if connection is None:
        return "connection_unknown"
    if connection.provider != step.adapter.connection_provider:
        return "connection_of_other_provider"
    if connection.status != Connection.Status.ACTIVE:
        return "connection_broken"
    needed = step.adapter.connection_scopes
    return "connection_scopes" if needed and connection.scopes and needed.isdisjoint(connection.scopes) else None


def _nothing_left(order: Order, skipped: Sequence[Skipped]) -> NoProviders:
    relevant = [s for s in skipped if order.options.providers or s.reason != "intent_not_supported"]
    return NoProviders(
        f"No installed and active provider serves {order.intent.name}.",
        reason=relevant[0].reason if order.options.providers else "none_available" if relevant else "none_installed",
        skipped=[s.shown() for s in relevant],
    )


def _credential_fault(without: Sequence[Skipped]) -> HubError:
    if lacks := [s for s in without if s.reason.startswith("connection_")]:
        return _connection_fault(lacks[0])
    expired = [s for s in without if s.reason == "credential_expired"]
    if expired:
        key = expired[0].provider_key
        return CredentialExpired(f"The credential bound for {key!r} has expired.", provider_key=key)
    key = without[0].provider_key
    return CredentialNotFound(f"No credential is bound for {key!r}.", provider_key=key)


def _connection_fault(skipped: Skipped) -> HubError:
    key, words = skipped.provider_key, WHY_SKIPPED[skipped.reason]
    if skipped.reason == "connection_broken":
        return OAuthRefreshFailed(
            f"{key!r} cannot act: {words}", reason=skipped.reason, needs_reauth=True, provider_key=key
        )
    error = ConnectionNotFound(f"{key!r} cannot act: {words}", reason=skipped.reason, provider_key=key)
    if skipped.reason == "connection_scopes":
        error.details["any_scope_of"] = sorted(registry.get(key).connection_scopes)
    return error
