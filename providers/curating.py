"""Changes to the catalogue of providers by the API. All tenants share a row: the platform's trail tells of it."""

from typing import Any

from django.db import IntegrityError

from integrationhub.core.database import violates
from providers import recording, registry, schema_faults
from providers.errors import ProviderCreateFailed
from providers.finding import get
from providers.models import KEY_PATTERN, Category, Provider, Status
from providers.recording import Author

_CHANGEABLE: dict[str, Any] = {
    "display_name": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": r"\S", "description": "a name"},
    "category": {"type": "string", "enum": Category.values},
    "status": {"type": "string", "enum": Status.values},
    "summary": {"type": "string", "maxLength": 300},
    "position": {"type": "integer", "minimum": 0, "maximum": 100_000, "description": "the lowest is listed first"},
}
_KEY = {"type": "string", "pattern": KEY_PATTERN, "description": "3 to 64 of a-z, 0-9 and _, beginning with a letter"}
# `base_url` is missing on purpose: an address that the hub sends secrets to is set in the admin alone.
CREATE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"provider_key": _KEY, **_CHANGEABLE},
    "required": ["provider_key", "display_name", "category", "status"],
    "additionalProperties": False,
}
CHANGE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": _CHANGEABLE,
    "minProperties": 1,
    "additionalProperties": False,
}
_CREATE, _CHANGE = schema_faults.compiled(CREATE_SCHEMA), schema_faults.compiled(CHANGE_SCHEMA)


def create(row: Any, *, by: Author) -> Provider:
    """A new row of what a caller sent. Raises ProviderCreateFailed naming every field at fault, a taken key too."""
    _refuse(schema_faults.faults(_CREATE, row))
    _refuse(_adapter_fault(row["provider_key"], row["status"]))
    provider = Provider(**row)
    try:
        recording.create(provider, by=by)
    except IntegrityError as error:
        if not violates(error, "providers_provider_provider_key_key"):
            raise
        # Asked of the unique constraint itself, since two requests may carry the same key at the same moment.
        taken = {"field": "provider_key", "reason": "already_exists", "expected": "a key that no provider has"}
        raise _failure([taken]) from error
    return provider


def change(provider_key: str, fields: Any, *, by: Author) -> Provider:
    """The row with other values. Raises ProviderNotFound, or ProviderCreateFailed naming every field at fault."""
    provider = get(provider_key)
    _refuse(schema_faults.faults(_CHANGE, fields))
    _refuse(_adapter_fault(provider_key, fields.get("status", "")))
    for name, value in fields.items():
        setattr(provider, name, value)
    recording.save(provider, fields, by=by)
    return provider


def retire(provider_key: str, *, by: Author) -> Provider:
    """The row, retired: it stays, since installations and executions point to it. Raises ProviderNotFound."""
    provider = get(provider_key)
    provider.status = Status.RETIRED
    recording.save(provider, ["status"], by=by)
    return provider


def _adapter_fault(provider_key: str, status: str) -> list[schema_faults.Fault]:
    if status != Status.ACTIVE or registry.find(provider_key):
        return []
    return [{"field": "status", "reason": "no_adapter", "expected": "planned, until the provider has an adapter"}]


def _refuse(faults: list[schema_faults.Fault]) -> None:
    if faults:
        raise _failure(faults)


def _failure(faults: list[schema_faults.Fault]) -> ProviderCreateFailed:
    said = "; ".join(f"{fault['field']}: {fault['reason']}, expected {fault['expected']}" for fault in faults[:5])
    return ProviderCreateFailed(f"The provider cannot be saved: {said}.", reason="invalid_fields", fields=faults[:50])
