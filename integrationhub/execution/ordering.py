"""In which order the tenant's providers come before it is known which of them may be called."""

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
    """`behind`: calls and failures of late of those that stand behind the others for them."""

    candidates: Sequence[Candidate]
    strategy: str
    behind: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def ranked(tenant_id: UUID, candidates: Sequence[Candidate], rule: Rule) -> Ranked:
    """The rule's providers in its order, then the others by priority. `weighted`: who is first is drawn by the weights.
    `healthiest`: those that have done badly of late come last, the worst at the end."""
    if rule is NO_RULE:
        return Ranked(candidates, rule.strategy)
    ordered = sorted(candidates, key=lambda candidate: rule.places.get(candidate.provider_key, len(rule.places)))
    if rule.strategy == Strategy.WEIGHTED:
        _draw_first(ordered, rule.weights)
    if rule.strategy != Strategy.HEALTHIEST:
        return Ranked(ordered, rule.strategy)
    behind = _poor(tenant_id, [candidate.provider_key for candidate in ordered])
    ordered.sort(key=lambda candidate: _share(behind.get(candidate.provider_key, (1, 0))))
    return Ranked(ordered, rule.strategy, behind)


def _draw_first(ordered: list[Candidate], weights: Mapping[str, int]) -> None:
    drawable = [candidate for candidate in ordered if candidate.provider_key in weights]
    if drawable:
        chances = [weights[candidate.provider_key] for candidate in drawable]
        first = random.choices(drawable, chances)[0]  # noqa: S311  A share of traffic, not a secret.
        ordered.remove(first)
        ordered.insert(0, first)


def _poor(tenant_id: UUID, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    found = circuits.calls_of(tenant_id, keys)
    return {key: told for key, told in found.items() if told[1] >= POOR_FAILURES and _share(told) >= POOR_SHARE}


def _share(calls_and_failures: tuple[int, int]) -> float:
    calls, failures = calls_and_failures
    return failures / calls
