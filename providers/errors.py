"""What can go wrong with a provider. The class is the fallback policy: the executor acts by class alone.

ProviderError                 an attempt failed; never raised itself
├── Retry                     429, 503: the provider says it did not act
├── Next                      refused, DNS, TLS, connect time-out, 401, 402, 403, out of balance
│   └── Blocked               the address is not one that may be dialled
├── Ambiguous                 read time-out, connection lost after sending, other 5xx, an unreadable answer
└── Stop                      recipient or content at fault; never try another carrier
"""

from typing import Any, ClassVar

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry
from integrationhub.core.errors import HubError


class ProviderError(HubError):
    """One attempt's failure.

    `reason` is a lower_snake word (`upstream_503`), `upstream_status` the provider's HTTP status, `entry` the
    catalogue's row when the provider's code names one. `retry_after`, in seconds, on a Retry or a Next makes the
    executor leave this provider alone for so long for this tenant: what the provider asked for, or five minutes when
    the account is out of money. `credential_refused` says that it was the credential: 401 and 403 do, and an adapter
    says so where its provider refuses a key in another way.
    """

    entry = catalogue.EXECUTION_FAILED
    outcome_class: ClassVar[str]

    def __init__(
        self,
        message: str | None = None,
        *,
        reason: str,
        upstream_status: int | None = None,
        retry_after: float | None = None,
        entry: Entry | None = None,
        credential_refused: bool | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, entry=entry, retry_after=retry_after, **details)
        self.reason = reason
        self.upstream_status = upstream_status
        self.credential_refused = upstream_status in (401, 403) if credential_refused is None else credential_refused


class Retry(ProviderError):
    outcome_class = "retry"


class Next(ProviderError):
    outcome_class = "next"


class Blocked(Next):
    """`Adapter.ask` raises it, and `composing.read` for an attachment's address; no adapter does. For the caller it is
    a refused connection, so that nobody learns from it what is in our network; the audit trail tells of it."""


class Ambiguous(ProviderError):
    outcome_class = "ambiguous"


class Stop(ProviderError):
    outcome_class = "stop"


class ProviderNotFound(HubError):
    entry = catalogue.PROVIDER_NOT_FOUND


class ProviderCreateFailed(HubError):
    entry = catalogue.PROVIDER_CREATE_FAILED


class AdapterNotFound(HubError):
    entry = catalogue.ADAPTER_NOT_FOUND


class InvalidSignature(HubError):
    entry = catalogue.INVALID_SIGNATURE

    def __init__(self, message: str, *, provider: str, reason: str, **details: Any) -> None:
        super().__init__(message, provider=provider, reason=reason, **details)
        self.reason = reason


class InvalidIntent(HubError):
    entry = catalogue.INVALID_INTENT


class InvalidPhone(HubError):
    entry = catalogue.INVALID_PHONE
