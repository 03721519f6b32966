"""Who a message is from: the payload's sender before the installation's."""

from integrationhub.core.errors import InvalidRequest
from providers.adapter import Call, JSONObject
from providers.errors import Next


def member(*, description: str, example: str) -> JSONObject:
    """The schema of `from` in an installation's configuration."""
    return {"type": "string", "minLength": 3, "maxLength": 20, "description": description, "examples": [example]}


def chosen(call: Call) -> str:
    """The sender as given; empty where neither the payload nor the installation names one."""
    return call.payload.get("from") or call.config.get("from", "")


def refused(provider: str) -> InvalidRequest:
    """For a provider's `preflight`: there is nobody to send from."""
    expected = "a sender, here or in the provider's installation"
    return InvalidRequest(
        f"{provider} has no sender: give payload.from, or set `from` where it is installed.",
        reason="invalid_fields",
        fields=[{"field": "payload.from", "reason": "required", "expected": expected}],
    )


def unset(provider: str) -> Next:
    """For `execute`, which a fallback reaches without a preflight: this provider cannot send, another may."""
    return Next(f"{provider} has no sender; nothing was sent.", reason="sender_missing")
