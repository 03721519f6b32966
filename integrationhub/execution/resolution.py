"""What routing reads of a tenant: installations, routes and sealed credentials; cached up to the tenant's version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from credentials import binding
from credentials.models import Credential
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import tenant_scope
from integrationhub.core.tenant_version import LONGEST_LIFE_SECONDS
from integrationhub.execution.models import Route
from integrationhub.execution.ordering import Rule
from marketplace import installing
from marketplace.installing import Candidate


@dataclass(frozen=True, slots=True)
class Resolution:
    """`candidates` in the order in which they are tried, `rules` by intent, `credentials` in use by provider key."""

    version: str | None
    candidates: Sequence[Candidate]
    rules: Mapping[str, Rule]
    credentials: Mapping[str, Credential] = field(repr=False)


_known: ShortMemory[UUID, Resolution] = ShortMemory(seconds=LONGEST_LIFE_SECONDS, capacity=10_000)


def of(tenant_id: UUID, as_of: str | None) -> Resolution:
    """The tenant's, as of this version or newer; read anew where there is none."""
    if as_of is not None and (known := _known.get(tenant_id)) and known.version == as_of:
        return known
    with tenant_scope(tenant_id):
        routes = Route.objects.for_tenant(tenant_id).values_list("intent", "providers", "strategy")
        rules = {intent: Rule.of(rows, strategy) for intent, rows, strategy in routes}
        found = Resolution(
            as_of, installing.candidates(tenant_id=tenant_id), rules, binding.in_use(tenant_id=tenant_id)
        )
    if as_of is not None:
        _known.put(tenant_id, found)
    return found
