from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError


class InvalidSignature(HubError):
    entry = catalogue.INVALID_SIGNATURE

    def __init__(self, message: str, *, provider: str, reason: str, **details: Any) -> None:
        super().__init__(message, provider=provider, reason=reason, **details)


class WebhookNotFound(HubError):
    entry = catalogue.WEBHOOK_NOT_FOUND
