"""What can go wrong with WhatsApp before Meta is asked. What Meta refuses is an error of `providers.meta_refusals`.

HubError
├── WhatsappNotConfigured     no credential is bound, and the deployment's settings name no account
├── SwitchedOff               operators have disabled WhatsApp for all tenants
├── TemplateRequired          the customer's window is closed: only a template may be sent
├── DeliveryNotFound          no such message of this tenant
├── Unreadable                an item of a webhook; no caller hears of it
├── MediaDownloadFailed       a file was not fetched from Meta, or not stored
└── NotDelivered              Meta refused, or nobody knows what it did; the delivery's row records it
"""

from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError
from providers.errors import ProviderError
from providers.meta_refusals import NOTHING_SAID


class WhatsappNotConfigured(HubError):
    entry = catalogue.WHATSAPP_NOT_CONFIGURED


class SwitchedOff(HubError):
    """As an execution is refused, whose only provider is not active."""

    entry = catalogue.NO_PROVIDERS


class TemplateRequired(HubError):
    entry = catalogue.TEMPLATE_REQUIRED


class DeliveryNotFound(HubError):
    entry = catalogue.DELIVERY_NOT_FOUND


class MediaDownloadFailed(HubError):
    """`is_final`: it is the file itself that Meta or we refuse, so that no later attempt would fare better."""

    entry = catalogue.WHATSAPP_MEDIA_DOWNLOAD_FAILED

    def __init__(
        self, message: str, *, reason: str, retryable: bool = False, is_final: bool = False, **details: Any
    ) -> None:
        super().__init__(message, reason=reason, retryable=retryable, **details)
        self.is_final = is_final


class Unreadable(HubError):
    """An item of a webhook that cannot be understood; `reason` is a word in lower_snake. The inbox keeps the item."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This item of Meta's cannot be understood: {reason}.", reason=reason)
        self.reason = reason


class NotDelivered(HubError):
    """What the row of a delivery records of its sending, raised now and on every repeat of the Idempotency-Key."""

    entry = catalogue.WHATSAPP_UNAVAILABLE

    def __init__(self, delivery_id: str, recorded: dict[str, Any]) -> None:
        super().__init__(
            recorded["message"],
            entry=catalogue.ENTRIES[recorded["code"]],
            retryable=recorded["retryable"],
            retry_after=recorded["retry_after"],
            delivery_id=delivery_id,
            **recorded["details"],
        )


def recorded(error: ProviderError) -> dict[str, Any]:
    """A failure as a delivery's row keeps it."""
    return {
        "code": error.entry.code,
        "message": error.message,
        "details": {**error.details, "reason": error.reason},
        "retryable": error.is_retryable,
        "retry_after": error.retry_after,
    }


def outcome_unknown(error: ProviderError | None = None) -> dict[str, Any]:
    """The same for a message that may have gone out: whoever sends it again may send it twice."""
    said = f"{error.message} " if error else ""
    return {
        "code": (error.entry if error else catalogue.WHATSAPP_UNAVAILABLE).code,
        "message": f"{said}Whether it was sent is not known yet: look the delivery up before you send it again.",
        "details": {**(error.details if error else {"meta": dict(NOTHING_SAID)}), "reason": "outcome_unknown"},
        "retryable": False,
        "retry_after": None,
    }
