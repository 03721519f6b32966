"""What can go wrong with message templates.

HubError
├── TemplateNotFound          no such name or language, or one that Meta does not send now
├── InvalidTemplateParams     values that do not fit the template, every fault named
└── WhatsappSyncFailed        whatever Meta did while its templates were read
"""

from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError


class TemplateNotFound(HubError):
    """`reason`: unknown_name, unknown_language, language_required or not_sendable."""

    entry = catalogue.TEMPLATE_NOT_FOUND

    def __init__(self, message: str, *, reason: str, **details: Any) -> None:
        super().__init__(message, reason=reason, **details)


class InvalidTemplateParams(HubError):
    entry = catalogue.INVALID_TEMPLATE_PARAMS


class WhatsappSyncFailed(HubError):
    entry = catalogue.WHATSAPP_SYNC_FAILED

    def __init__(self, message: str, *, reason: str, **kwargs: Any) -> None:
        super().__init__(message, reason=reason, **kwargs)
