"""The base of every failure that the hub answers with, and the errors that any request can meet.

HubError
├── InvalidRequest            the body, a parameter, or what HTTP itself names (404, 405, 406, 409, 413, ...)
├── Unauthorized              no bearer token, or one that does not verify
├── TenantRequired            no `x-tenant-id`, or not a UUID
├── Forbidden                 the header names another tenant than the token
├── RbacForbidden             no role, or none that this endpoint allows
├── MtlsRequired              no sibling service that a trusted gateway vouches for
├── RateLimitExceeded         per-minute window of the tenant's tier
├── ExecutionRateLimitExceeded
├── UnsupportedApiVersion, ApiVersionSunset
└── Unexpected                what no other class names; also a database that is away
"""

from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry


class HubError(Exception):
    """A failure the catalogue names. A subclass chooses the entry; `entry` replaces it where only the case can tell.

    `message` replaces the entry's own sentence; `details` (snake_case, JSON-able) become the answer's `details`;
    `status` differs from the entry's for `InvalidRequest` only; `retry_after` is in seconds.
    """

    entry: Entry = catalogue.UNEXPECTED

    def __init__(
        self,
        message: str | None = None,
        *,
        entry: Entry | None = None,
        status: int | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
        **details: Any,
    ) -> None:
        self.entry = entry or self.entry
        self.message = message or self.entry.message
        self.status = status or self.entry.status
        self.is_retryable = self.entry.retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.headers = headers or {}
        self.details = details
        super().__init__(self.message)


class InvalidRequest(HubError):
    entry = catalogue.INVALID_REQUEST

    def __init__(self, message: str | None = None, *, reason: str, **kwargs: Any) -> None:
        super().__init__(message, reason=reason, **kwargs)


class Unauthorized(HubError):
    entry = catalogue.UNAUTHORIZED


class TenantRequired(HubError):
    entry = catalogue.TENANT_REQUIRED


class Forbidden(HubError):
    entry = catalogue.FORBIDDEN


class RbacForbidden(HubError):
    entry = catalogue.RBAC_FORBIDDEN


class MtlsRequired(HubError):
    entry = catalogue.MTLS_REQUIRED

    def __init__(self, message: str, *, reason: str) -> None:
        # A 401 names a way to authenticate (RFC 9110, section 11.6.1); for TLS itself none is registered.
        super().__init__(message, reason=reason, headers={"WWW-Authenticate": "MutualTLS"})


class RateLimitExceeded(HubError):
    entry = catalogue.RATE_LIMIT_EXCEEDED


class ExecutionRateLimitExceeded(HubError):
    entry = catalogue.EXECUTION_RATE_LIMIT_EXCEEDED


class UnsupportedApiVersion(HubError):
    entry = catalogue.UNSUPPORTED_API_VERSION


class ApiVersionSunset(HubError):
    entry = catalogue.API_VERSION_SUNSET


class Unexpected(HubError):
    entry = catalogue.UNEXPECTED
