"""What can go wrong with a tenant's secrets."""

from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError


class CredentialBindFailed(HubError):
    entry = catalogue.CREDENTIAL_BIND_FAILED


class InternalCredentialBindFailed(HubError):
    """A sibling service's binding, refused for what CredentialBindFailed would say."""

    entry = catalogue.INTERNAL_CREDENTIAL_BIND_FAILED


class CredentialNotFound(HubError):
    entry = catalogue.CREDENTIAL_NOT_FOUND


class CredentialExpired(HubError):
    entry = catalogue.CREDENTIAL_EXPIRED


class VaultUnreadable(HubError):
    """A sealed value does not open: it was moved or changed, or its key is gone. Trying again will not help."""

    entry = catalogue.EXECUTION_FAILED
    is_passing = False

    def __init__(self, message: str, *, reason: str, **details: Any) -> None:
        super().__init__(message, retryable=self.is_passing, reason=reason, **details)


class VaultUnavailable(VaultUnreadable):
    """The vault is away, sealed, too slow, or refuses us: nothing is known of the value, and later it may open."""

    is_passing = True
