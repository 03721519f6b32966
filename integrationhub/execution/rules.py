"""A tenant's own order of providers for an intent: read it, replace it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from integrationhub.audit import trail
from integrationhub.core import tenant_version
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.models import Route, Strategy
from integrationhub.execution.ordering import Rule
from marketplace import installing
from providers import registry, schema_faults
from providers.intents import Intent

ROUTE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["providers"],
    "additionalProperties": False,
    "properties": {
        "strategy": {
            "enum": list(Strategy.values),
            "description": "`priority`: in this order. `weighted`: who is first is drawn by the weights of "
            "those that may be called, who follows by the weights of the rest; those without one come last. "
            "`healthiest`: in this order, but those of whose calls in the last half minute a fifth failed, and two at "
            "least, come last. Without one: `weighted` where there are weights, else `priority`.",
        },
        "providers": {
            "type": "array",
            "maxItems": 20,
            "description": "In the order in which they are to be tried; an empty list removes the rule, unless it is "
            "`healthiest`.",
            "items": {
                "type": "object",
                "required": ["provider_key"],
                "additionalProperties": False,
                "properties": {
                    "provider_key": {"type": "string", "maxLength": 64},
                    "weight": {
                        "type": ["integer", "null"],
                        "minimum": 0,
                        "maximum": 1000,
                        "description": "Its share of being the next one, drawn for each execution.",
                    },
                    "max_per_second": {
                        "type": ["number", "null"],
                        "minimum": 0.01,
                        "maximum": 1000,
                        "description": "How often it is called by executions of this intent; one too many goes to the "
                        "next provider (`throttled`), and where there is none is refused, or waits if it is queued.",
                    },
                },
            },
        },
    },
}
_body = schema_faults.compiled(ROUTE_SCHEMA)


def get(*, tenant_id: UUID, intent: Intent) -> dict[str, Any]:
    """The tenant's rule; `providers` is empty where it has none and installations go by their priority."""
    with tenant_scope(tenant_id):
        route = Route.objects.for_tenant(tenant_id).filter(intent=intent.name).first()
    rows = route.providers if route else []
    rule = Rule.of(rows, route.strategy if route else "")
    return {"intent": intent.name, "strategy": rule.strategy, "providers": rows}


def replace(*, tenant_id: UUID, intent: Intent, body: Mapping[str, Any], subject: str) -> dict[str, Any]:
    """Set the rule; an empty list removes it. `subject` is who asks.

    Raises InvalidRequest naming every fault: of form, and each provider that is repeated, not installed, or does not
    serve the intent.
    """
    installed = {candidate.provider_key for candidate in installing.candidates(tenant_id=tenant_id)}
    faults = schema_faults.faults(_body, body) + _unusable(body.get("providers"), intent, installed)
    if faults:
        names = ", ".join(fault["field"] for fault in faults)
        raise InvalidRequest(f"The route is not valid: {names}.", reason="invalid_fields", fields=faults)
    rows = [_kept(row) for row in body["providers"]]
    strategy = body.get("strategy", "")
    with tenant_scope(tenant_id):
        mine = Route.objects.for_tenant(tenant_id)
        if rows or strategy == Strategy.HEALTHIEST:
            wanted = {"providers": rows, "strategy": strategy}
            mine.update_or_create(tenant_id=tenant_id, intent=intent.name, defaults=wanted)
        else:
            mine.filter(intent=intent.name).delete()
        tenant_version.changed(tenant_id)
        about = f"route:{intent.name}"
        how = {"strategy": strategy} if strategy else {}
        trail.record(tenant_id=tenant_id, action="route.changed", actor=subject, about=about, providers=rows, **how)
    return get(tenant_id=tenant_id, intent=intent)


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    pace = row.get("max_per_second")
    return {"provider_key": row["provider_key"], "weight": row.get("weight")} | (
        {"max_per_second": pace} if pace else {}
    )


def _unusable(providers: Any, intent: Intent, installed: set[str]) -> list[dict[str, str]]:
    """Faults that a schema cannot see. What has no form to look at is left to the schema's own faults."""
    faults: list[dict[str, str]] = []
    seen: set[str] = set()
    for position, row in enumerate(providers if isinstance(providers, list) else []):
        key = row.get("provider_key") if isinstance(row, dict) else None
        if not isinstance(key, str):
            continue
        if reason := _why_unusable(key, intent, installed, seen):
            expected = "an installed provider of this intent, named once"
            faults.append({"field": f"providers[{position}].provider_key", "reason": reason, "expected": expected})
        seen.add(key)
    return faults


def _why_unusable(key: str, intent: Intent, installed: set[str], seen: set[str]) -> str | None:
    if key in seen:
        return "repeated"
    if key not in installed:
        return "not_installed"
    adapter = registry.find(key)
    return "intent_not_supported" if adapter and intent.name not in adapter.intents else None
