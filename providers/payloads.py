"""Does a payload say what its intent needs? Every fault is named at once, before anything is stored or sent."""

from typing import Any

from integrationhub.core.errors import InvalidRequest
from providers import schema_faults
from providers.errors import InvalidPhone
from providers.intents import INTENTS, Intent

_VALIDATORS = {name: schema_faults.compiled(intent.payload_schema) for name, intent in INTENTS.items()}


def validate_payload(intent: Intent, payload: Any) -> None:
    """Raises InvalidPhone when a phone number is the only fault, else InvalidRequest naming every field at fault."""
    faults = schema_faults.faults(_VALIDATORS[intent.name], payload, at="payload")
    if not faults:
        return
    names = ", ".join(fault["field"] for fault in faults[:5])
    if all(fault["reason"] == "invalid_phone" for fault in faults):
        raise InvalidPhone(f"{names} must be {faults[0]['expected']}.", reason="invalid_phone", fields=faults)
    raise InvalidRequest(
        f"The payload of {intent.name} is not valid: see details.fields ({names}).",
        reason="invalid_fields",
        fields=faults[:100],
    )
