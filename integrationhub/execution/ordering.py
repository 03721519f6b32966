"""In which order the tenant's providers are tried: as its route places them, then by the route's strategy."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from integrationhub.execution import circuits
from integrationhub.execution.models import Strategy
from marketplace.installing import Candidate

# From where on a provider has done badly of late (`circuits.calls_of`), by failures and by their share of its calls.
POOR_FAILURES, POOR_SHARE = 2, 0.2


@dataclass(frozen=True, slots=True)
class Rule:
    """A tenant's route for an intent, as it is applied: places, shares of traffic, and most calls a second by key."""

    strategy: str
    places: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    paces: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], strategy: str) -> Self:
        weights = {row["provider_key"]: row["weight"] for row in rows if row.get("weight")}
        return cls(
            strategy or (Strategy.WEIGHTED if weights else Strategy.PRIORITY),
            {row["provider_key"]: place for place, row in enumerate(rows)},
            weights,
            {row["provider_key"]: row["max_per_second"] for row in rows if row.get("max_per_second")},
        )


NO_RULE = Rule(Strategy.PRIORITY)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The keys of providers, the first to be tried first. `behind`: calls and failures of late of those that stand
    behind the others for them."""

    keys: Sequence[str]
    strategy: str
    behind: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def placed(candidates: Sequence[Candidate], rule: Rule) -> Sequence[Candidate]:
    """The rule's providers in its order, then the others by priority."""
    if rule is NO_RULE:
        return candidates
    return sorted(candidates, key=lambda candidate: rule.places.get(candidate.provider_key, len(rule.places)))


def ranked(tenant_id: UUID, keys: Sequence[str], rule: Rule) -> Ranked:
    """Of those that are to be tried, as they were placed. `weighted`: drawn by the weights one after the other, those
    without a weight last. `healthiest`: those that have done badly of late come last, the worst at the end."""
    if rule.strategy == Strategy.WEIGHTED:
        return Ranked(_drawn(keys, rule.weights), rule.strategy)
    if rule.strategy != Strategy.HEALTHIEST:
        return Ranked(keys, rule.strategy)
    behind = _poor(tenant_id, keys)
    return Ranked(sorted(keys, key=lambda key: _share(behind.get(key, (1, 0)))), rule.strategy, behind)


def _drawn(keys: Sequence[str], weights: Mapping[str, int]) -> list[str]:
    """Each waits for a time drawn by its rate: of any that wait, one is the first as often as its share of their rates
    says. So of those that are left when one is passed over, too."""
    times = {key: random.expovariate(weights[key]) for key in keys if key in weights}
    return sorted(keys, key=lambda key: times.get(key, math.inf))


def _poor(tenant_id: UUID, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    found = circuits.calls_of(tenant_id, keys)
    return {key: told for key, told in found.items() if told[1] >= POOR_FAILURES and _share(told) >= POOR_SHARE}


def _share(calls_and_failures: tuple[int, int]) -> float:
    calls, failures = calls_and_failures
    return failures / calls
