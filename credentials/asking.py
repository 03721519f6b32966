"""What a tenant may ask to be bound: the request, checked against what the provider's adapter needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from credentials.errors import CredentialBindFailed
from integrationhub.core.ids import read_id
from providers import finding, registry, schema_faults
from providers.adapter import Adapter
from providers.errors import AdapterNotFound, ProviderNotFound
from providers.models import Provider
from providers.schema_faults import Fault

# The reference spells it `providerId`; a key is taken there too.
PROVIDER_NAMES = ("provider_key", "provider_id", "providerId")
_WHAT: dict[str, Any] = {
    "credentials": {"type": "object", "description": "an object that fits the adapter's credential_schema"},
    "expires_at": {"type": ["string", "null"], "description": "a time still to come, RFC 3339 with its zone"},
    "verify": {"type": "boolean", "default": True, "description": "ask the provider first, where it can be asked"},
}
BIND_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {**{name: {"type": "string", "minLength": 1, "maxLength": 64} for name in PROVIDER_NAMES}, **_WHAT},
    "required": ["credentials"],
    "additionalProperties": False,
}
ROTATE_SCHEMA: dict[str, Any] = {**BIND_SCHEMA, "properties": _WHAT}
_BIND, _ROTATE = schema_faults.compiled(BIND_SCHEMA), schema_faults.compiled(ROTATE_SCHEMA)


@dataclass(frozen=True, slots=True)
class Asked:
    """`otherwise` is what a failure leaves, for its message."""

    adapter: type[Adapter]
    secrets: Mapping[str, Any] = field(repr=False)
    expires_at: datetime | None
    verify: bool
    otherwise: str


def read(body: Mapping[str, Any]) -> Asked:
    """Raises CredentialBindFailed, which names every field at fault, the provider among them."""
    faults = [*_provider_faults(body), *schema_faults.faults(_BIND, body)]
    is_named = not any(fault["field"] in PROVIDER_NAMES for fault in faults)
    return _read(_adapter(body, faults) if is_named else None, body, faults, "nothing was stored")


def read_rotation(provider_key: str, body: Mapping[str, Any]) -> Asked:
    """The same for the next version of a provider's credential."""
    faults = schema_faults.faults(_ROTATE, body)
    return _read(_adapter({"provider_key": provider_key}, faults), body, faults, "the version in use goes on")


def _read(adapter: type[Adapter] | None, body: Mapping[str, Any], faults: list[Fault], otherwise: str) -> Asked:
    expires_at = _expiry(body.get("expires_at"), faults)
    if adapter and isinstance(body.get("credentials"), dict):
        needed = schema_faults.compiled(adapter.credential_schema or {})
        faults += schema_faults.faults(needed, body["credentials"], at="credentials")
    if faults or adapter is None:
        names = ", ".join(fault["field"] for fault in faults[:5])
        raise CredentialBindFailed(
            f"Nothing was stored: see details.fields ({names}).", reason="invalid_fields", fields=faults[:100]
        )
    return Asked(adapter, body["credentials"], expires_at, body.get("verify", True), otherwise)


def _provider_faults(body: Mapping[str, Any]) -> list[Fault]:
    given = [name for name in PROVIDER_NAMES if name in body]
    if len(given) == 1:
        return []
    reason = "too_many_alternatives" if given else "required"
    return [{"field": "provider_key", "reason": reason, "expected": "a provider's key, or its id as provider_id"}]


def _expiry(given: Any, faults: list[Fault]) -> datetime | None:
    """The time, if it is one that is still to come; else a fault is added. A wrong type is the schema's to find."""
    if not isinstance(given, str):
        return None
    expected = BIND_SCHEMA["properties"]["expires_at"]["description"]
    try:
        parsed = parse_datetime(given)
        # The last hours of the year 9999 west of Greenwich lie in a year that no database client reads back.
        expires_at = parsed.astimezone(UTC) if parsed and parsed.tzinfo else None
    except (ValueError, OverflowError):
        expires_at = None
    if expires_at is None:
        faults.append({"field": "expires_at", "reason": "wrong_form", "expected": expected})
    elif expires_at <= datetime.now(UTC):
        faults.append({"field": "expires_at", "reason": "in_the_past", "expected": expected})
    return expires_at


def _adapter(body: Mapping[str, Any], faults: list[Fault]) -> type[Adapter] | None:
    """The adapter of the provider that is named; else a fault is added that says why there is none."""
    name = next(name for name in PROVIDER_NAMES if name in body)
    row_id = read_id(body[name])
    row = Provider.objects.visible().filter(id=row_id).first() if row_id else None
    try:
        adapter = registry.get((row or finding.get(body[name])).provider_key)
    except (ProviderNotFound, AdapterNotFound) as error:
        reason = "unknown_provider" if isinstance(error, ProviderNotFound) else "no_adapter"
        faults.append({"field": name, "reason": reason, "expected": error.message})
        return None
    if adapter.credential_schema is None:
        whose = adapter.connection_provider
        instead = f"connect a {whose} account with POST /connect/sessions" if whose else "install it and use it"
        raise CredentialBindFailed(
            f"{adapter.display_name} needs no credential: {instead}.",
            reason="no_credential_needed",
            provider_key=adapter.key,
        )
    return adapter
