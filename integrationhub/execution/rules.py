"""A tenant's own order of providers for an intent: read it, replace it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.tenancy import tenant_scope
from integrationhub.core.throttling import bump_version
from integrationhub.execution.models import Route
from marketplace import installing
from providers.intents import Intent


def get(*, tenant_id: UUID, intent: Intent) -> dict[str, Any]:
    """The tenant's rule; `providers` is empty where it has none and installations go by their priority."""
    with tenant_scope(tenant_id):
        route = Route.objects.for_tenant(tenant_id).filter(intent=intent.name).first()
    return {"intent": intent.name, "providers": route.providers if route else []}


def replace(*, tenant_id: UUID, intent: Intent, providers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Set the rule; an empty list removes it. Raises InvalidRequest naming each provider that is not installed."""
    installed = {candidate.provider_key for candidate in installing.candidates(tenant_id=tenant_id)}
    faults = _faults(providers, installed)
    if faults:
        names = ", ".join(fault["field"] for fault in faults)
        raise InvalidRequest(f"The route is not valid: {names}.", reason="invalid_fields", fields=faults)
    with tenant_scope(tenant_id):
        mine = Route.objects.for_tenant(tenant_id)
        if providers:
            rows = [{"provider_key": row["provider_key"], "weight": row.get("weight")} for row in providers]
            mine.update_or_create(tenant_id=tenant_id, intent=intent.name, defaults={"providers": rows})
        else:
            mine.filter(intent=intent.name).delete()
    bump_version(tenant_id)
    return get(tenant_id=tenant_id, intent=intent)


def _faults(providers: Sequence[Mapping[str, Any]], installed: set[str]) -> list[dict[str, str]]:
    faults, seen = [], set()
    for position, row in enumerate(providers):
        key, field = row["provider_key"], f"providers[{position}].provider_key"
        if key not in installed:
            faults.append({"field": field, "reason": "not_installed", "expected": "a provider that is installed"})
        elif key in seen:
            faults.append({"field": field, "reason": "repeated", "expected": "each provider once"})
        seen.add(key)
    return faults
