"""One event, sent once: signed by Standard Webhooks, and what the answer means.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
import random
import re
import time
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from credentials.vault import vault
from integrationhub.core import standard_webhooks
from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Answer, Client, OutboundError
from integrationhub.core.representation import moment
from integrationhub.outbox.models import Event
from integrationhub.webhooks.telling.kinds import TEST
from integrationhub.webhooks.telling.models import Subscription
from providers import answers
from providers.retry_after import seconds_to_wait

SEND_SECONDS = 10.0
# The status decides. What is said behind it is waited for so that the connection can be used again.
BODY_SECONDS = 1.0
MAX_BODY_BYTES = 64 * 1024
# Of what a receiver says when it refuses.
LONGEST_SAID = 300
# Parts of an address that are shorter are words like any other.
SHORTEST_SECRET = 6
# Before each try but the first, in seconds. It begins as the specification's, and all ten of them fit into a day.
PAUSES = (5, 300, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 25_200)
MOST_TRIES = len(PAUSES) + 1
# What says that it has too much to do, or is not there, is left alone altogether: for as long as it asks, or so long.
TOO_MUCH = frozenset({429, 502, 503, 504})
LEFT_ALONE_SECONDS = 5.0
# What it asks for beyond that is forgotten: one that has mended itself is not left waiting for a day.
LONGEST_LEFT_ALONE_SECONDS = 6 * 3_600.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """A subscription's address, and the secrets that sign for it: while a rotation is under way several."""

    url: str = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)

    @property
    def hidden(self) -> list[str]:
        """What is not kept of its words: the secrets, and what stands behind the host, since that may hold one."""
        parts = urlsplit(self.url)
        behind = parts._replace(scheme="", netloc="").geturl()
        told = [behind, unquote(behind), *re.split("[/?&=#]", f"{behind}/{unquote(behind)}")]
        kept = [part for part in told if len(part) >= SHORTEST_SECRET]
        return [*kept, *(b64encode(secret).decode() for secret in self.secrets)]


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery in this worker's hands. `tries` tells the worker's try from a later one's."""

    id: UUID
    event_id: UUID
    type: str
    tries: int
    replays: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it. `retry_after` is in seconds, where the receiver said so."""

    at: datetime
    latency_ms: int
    upstream_status: int | None = None
    reason: str = ""
    retry_after: float | None = None
    said: str = ""

    @property
    def is_delivered(self) -> bool:
        return not self.reason

    @property
    def is_gone(self) -> bool:
        return self.upstream_status == HTTPStatus.GONE

    @property
    def leave_alone_seconds(self) -> float:
        """How long the receiver is to be sent nothing at all."""
        if self.upstream_status and self.upstream_status not in TOO_MUCH:
            return 0.0
        return LEFT_ALONE_SECONDS if self.retry_after is None else self.retry_after


def receiver_of(subscription: Subscription) -> Receiver:
    """Its secrets opened; outside any scope, since a vault may be asked. Raises VaultUnreadable."""
    sealed = [bytes(subscription.sealed), *(before for before, _ in subscription.still_signing)]
    return Receiver(subscription.url, tuple(vault().open(each, subscription.place) for each in sealed if each))


def body_of(event: Event) -> bytes:
    """What is sent of an event: the same bytes each time."""
    told = {"type": event.kind, "timestamp": moment(event.created_at), "data": event.data}
    return json.dumps(told, separators=(",", ":")).encode()


def send(receiver: Receiver, job: Job) -> Verdict:
    """One request. Whatever is no 2xx is a failure, a redirect too; a body that cannot be read is none."""
    begun, at = time.monotonic(), datetime.now(UTC)

    def verdict(**said: Any) -> Verdict:
        return Verdict(at, round((time.monotonic() - begun) * 1000), **said)

    try:
        answer = client().request(
            "POST",
            receiver.url,
            deadline=Deadline.after(SEND_SECONDS),
            headers=headers(receiver, job, int(at.timestamp())),
            data=job.body,
            max_bytes=MAX_BODY_BYTES,
            body_within=BODY_SECONDS,
        )
    except OutboundError as error:
        return verdict(reason=error.reason)
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return verdict(upstream_status=answer.status)
    return verdict(
        upstream_status=answer.status,
        reason=f"upstream_{answer.status}",
        retry_after=seconds_to_wait(answer.headers, LONGEST_LEFT_ALONE_SECONDS),
        said=said_in(answer, receiver),
    )


def said_in(answer: Answer, receiver: Receiver) -> str:
    """How a refusal's words begin, on one line."""
    return answers.quoted(answer.body.decode(errors="replace"), receiver.hidden)[:LONGEST_SAID]


def headers(receiver: Receiver, job: Job, timestamp: int) -> dict[str, str]:
    """The id is the same each time, so that a receiver knows what it has had."""
    signed = standard_webhooks.headers(receiver.secrets, message_id=str(job.event_id), seconds=timestamp, body=job.body)
    told = {"Content-Type": "application/json", **signed}
    return {**told, "x-hub-replay": str(job.replays)} if job.replays else told


def attempt_of(job: Job, verdict: Verdict) -> dict[str, Any]:
    """As `Delivery.attempts` has it."""
    return {
        "at": moment(verdict.at),
        "outcome": "delivered" if verdict.is_delivered else "failed",
        "upstream_status": verdict.upstream_status,
        "error": verdict.reason,
        "answer": verdict.said,
        "latency_ms": verdict.latency_ms,
        "is_replay": job.replays > 0,
    }


def pause_before_next(job: Job, verdict: Verdict) -> float | None:
    """In seconds, with jitter, and no less than the receiver asked for. None: that was the last try."""
    if job.tries >= MOST_TRIES or job.type == TEST:
        return None
    pause = PAUSES[job.tries - 1] * random.uniform(0.9, 1.1)  # noqa: S311  Jitter, no secret.
    return max(pause, verdict.retry_after or 0.0)


@cache
def client() -> Client:
    """The guarded one, with the connections of this process."""
    return Client()
