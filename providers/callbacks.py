"""What a provider tells of its own accord: the request as it came, and the events that an adapter reads from it."""

import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from integrationhub.core.catalogue import Entry
from integrationhub.core.deadline import Deadline

# How far from our clock a signed time may be, in seconds, either way.
TOLERANCE_SECONDS = 300
# Beside the callback's own query: which attempt the message belongs to, though its answer was lost.
ATTEMPT = "attempt"
# The member `callback_url` of the `config_schema` of an adapter whose sends name the address of their callbacks.
CALLBACK_URL: Mapping[str, Any] = {
    "type": "string",
    "pattern": "^https?://[^\\s?#]{3,400}$",
    "description": "where the provider is to tell what became of a message: the `url` that POST /webhooks/endpoints "
    "answered",
    "examples": ["https://hub.example/webhooks/ingest/zeta_sms/an-example-of-the-end-of-an-address"],
}


class Kind(StrEnum):
    """Everything that the hub has a word for; what is none of it is kept as it came."""

    ACCEPTED = "message.accepted"
    # The provider goes on trying.
    DEFERRED = "message.deferred"
    SENT = "message.sent"
    DELIVERED = "message.delivered"
    READ = "message.read"
    OPENED = "message.opened"
    CLICKED = "message.clicked"
    UNSUBSCRIBED = "message.unsubscribed"
    COMPLAINED = "message.complained"
    # It came back: the other side refused it for good.
    BOUNCED = "message.bounced"
    # The provider has given it up.
    FAILED = "message.failed"
    # Somebody has written to the tenant.
    RECEIVED = "message.received"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A request to one of our addresses.

    `url` is the whole address that the provider was given, with the query that came; names of `headers` are in lower
    case. To `parse_webhook` only `content-type` and the headers that the adapter names in `webhook_headers` are left.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    deadline: Deadline

    def json(self) -> Any:
        """Raises ValueError."""
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        """The body's fields; of one that comes twice the last. Raises ValueError where it is no text."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One thing that a provider told.

    `reference` is the provider's id of the message, as in `Receipt.reference`; `attempt_id` our own where it came back
    with it (what `ATTEMPT` in the address says, the hub reads by itself). `key` makes it this one event: the same one
    told again has the same key, and a later status of the same message another. `reason` is a lower_snake word for a
    failure, such as `twilio_30003`; `code` the provider's own. `payload` is its part of the body, without secrets.
    `fault` says that the recipient or the content is at fault, as a `Stop` does, so that no other provider is tried:
    the row of the error reference that the code names, else INVALID_REQUEST.
    """

    kind: Kind
    reference: str
    key: str
    occurred_at: datetime | None = None
    attempt_id: UUID | None = None
    reason: str = ""
    code: str = ""
    fault: Entry | None = None
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)


def address(callback_url: str, attempt_id: UUID | None) -> str:
    """What a send names as the address of its callbacks: the installation's, with the attempt that they are about."""
    return f"{callback_url}?{ATTEMPT}={attempt_id}" if attempt_id else callback_url


def is_same(given: str, expected: str) -> bool:
    """Whether two signatures are alike, in constant time; false where nothing is expected."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace")) and bool(expected)


def is_recent(epoch_seconds: float) -> bool:
    """Whether a signed time is within the tolerance: what was recorded once is not taken for ever."""
    return abs(time.time() - epoch_seconds) <= TOLERANCE_SECONDS
