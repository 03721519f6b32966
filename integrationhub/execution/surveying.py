"""All that operators are shown of providers at once: health, circuits and whom they serve, whatever their number."""

from collections.abc import Iterable
from dataclasses import dataclass

from integrationhub.execution import circuits, provider_health
from integrationhub.execution.circuits import Standing
from integrationhub.execution.provider_health import Health
from marketplace import reach
from providers.models import Provider


@dataclass(frozen=True, slots=True)
class Seen:
    """`tenants`: how many have it installed and enabled. Health and circuit are those of all tenants."""

    health: Health
    circuit: Standing
    tenants: int


def survey(providers: Iterable[Provider]) -> dict[str, Seen]:
    """Of each provider by its key: two queries and one trip to Redis in all."""
    rows = list(providers)
    keys = [row.provider_key for row in rows]
    health, tenants = provider_health.of_all_tenants(keys), reach.tenants_of(row.pk for row in rows)
    standings = circuits.standings([(None, key) for key in keys])
    return {
        row.provider_key: Seen(health[row.provider_key], standing, tenants.get(row.pk, 0))
        for row, standing in zip(rows, standings, strict=True)
    }
