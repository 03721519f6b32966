"""What can go wrong with accounts that people connect by OAuth.

HubError
├── OAuthProviderRequired, OAuthUnsupportedProvider
├── OAuthCodeRequired
├── MissingToken
├── OAuthTokenExchangeFailed      also a state that is missing, used, expired or another's
├── OAuthRefreshNotSupported
├── OAuthRefreshFailed            `needs_reauth` where only the account's owner can mend it
├── OAuthRevocationFailed
├── OAuthProfileFetchFailed
└── ConnectionNotFound
"""

from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError


class OAuthProviderRequired(HubError):
    entry = catalogue.OAUTH_PROVIDER_REQUIRED


class OAuthUnsupportedProvider(HubError):
    entry = catalogue.OAUTH_UNSUPPORTED_PROVIDER


class OAuthCodeRequired(HubError):
    entry = catalogue.OAUTH_CODE_REQUIRED


class MissingToken(HubError):
    entry = catalogue.MISSING_TOKEN


class OAuthFailed(HubError):
    """Something that was asked of the provider. `reason` is a lower_snake word, the same for the same cause."""

    def __init__(self, message: str, *, reason: str, **details: Any) -> None:
        super().__init__(message, reason=reason, **details)
        self.reason = reason


class OAuthTokenExchangeFailed(OAuthFailed):
    entry = catalogue.OAUTH_TOKEN_EXCHANGE_FAILED


class OAuthRefreshNotSupported(HubError):
    entry = catalogue.OAUTH_REFRESH_NOT_SUPPORTED


class OAuthRefreshFailed(OAuthFailed):
    """`needs_reauth`: the provider said that this grant is over, so that trying again cannot help. `is_lost`: it was
    asked and its answer was lost, so that it may have taken the refresh token for spent."""

    entry = catalogue.OAUTH_REFRESH_FAILED

    def __init__(
        self, message: str, *, reason: str, needs_reauth: bool = False, is_lost: bool = False, **details: Any
    ) -> None:
        super().__init__(message, reason=reason, needs_reauth=needs_reauth, **details)
        self.needs_reauth, self.is_lost = needs_reauth, is_lost


class OAuthRevocationFailed(OAuthFailed):
    entry = catalogue.OAUTH_REVOCATION_FAILED


class OAuthProfileFetchFailed(OAuthFailed):
    entry = catalogue.OAUTH_PROFILE_FETCH_FAILED


class ConnectionNotFound(HubError):
    entry = catalogue.CONNECTION_NOT_FOUND
