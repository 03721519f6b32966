"""A webhook at the door: its signature, then its row. What it says is read by a worker, after it was answered."""

import hashlib
import re
import time
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.exception_handler import DATABASE_AWAY
from integrationhub.core.ids import new_id
from integrationhub.core.logs import HIDDEN
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import call_in_scope
from integrationhub.webhooks import sources
from integrationhub.webhooks.group_commit import GroupCommit
from integrationhub.webhooks.signatures import Verdict, is_same
from integrationhub.webhooks.sources import Door
from providers.callbacks import Webhook
from providers.errors import InvalidSignature

log = structlog.get_logger(__name__)

RECEIVE = "hub_receive_webhooks"
KEEP_REFUSED = "hub_keep_refused_webhook"
# How often a process rings for the relay while webhooks come without a pause.
RING_SECONDS = 0.2
REFUSED_BYTES = 64 * 1024
REFUSED_KEPT = 50
SHOWN_HEADERS = frozenset(
    {"Content-Type", "Content-Length", "User-Agent", "X-Hub-Signature", "X-Hub-Signature-256", "X-Request-Id"}
)
# Of a signature; whole, it would let who reads it send the body once more.
SHOWN_OF_SIGNATURE = 15


_CHALLENGE = re.compile(r"[A-Za-z0-9]{1,128}")


class _Bell:
    rang_at = float("-inf")

    def is_due(self) -> bool:
        """Whether to ring for the relay with this webhook: while it is busy, it looks by itself."""
        now = time.monotonic()
        if now - self.rang_at < RING_SECONDS:
            return False
        self.rang_at = now
        return True


def _store(orders: Sequence[tuple[UUID, dict[str, Any]]]) -> None:
    """One statement for the rows of each tenant; nearly all are of the address that they share."""
    rows: dict[UUID, list[dict[str, Any]]] = {}
    for tenant_id, order in orders:
        rows.setdefault(tenant_id, []).append(order)
    for tenant_id, posts in rows.items():
        call_in_scope(tenant_id, RECEIVE, {"posts": posts, "rings": _bell.is_due()})


_bell = _Bell()
_writer = GroupCommit(_store)
_refused_lately: ShortMemory[tuple[UUID, str], bool] = ShortMemory(seconds=1, capacity=10_000)


def receive(door: Door, hook: Webhook, headers: Mapping[str, str], request_id: str) -> str:
    """Store it; when this returns it is committed. The same bytes again are the same row. Returns what to answer with:
    nothing, or what a request that only asks wants to hear; that one is not stored.

    Raises InvalidSignature, and the database's errors: then nothing was stored, and the provider sends it again.
    """
    source = sources.get(door.provider_key)
    verdict = source.judge(hook, door)
    if not verdict.secret:
        _keep_refused(door, verdict, hook.body, shown(headers))
        raise InvalidSignature(
            f"{door.provider_key}: {verdict.explanation}", provider=door.provider_key, reason=verdict.reason
        )
    if (answer := source.handshake(hook, door, verdict)) is not None:
        return answer
    # Of Meta's nothing is read in it, and nothing of it is signed: else one body could be sent as many.
    query = hook.url.partition("?")[2] if source.tells_by_get else ""
    order = {
        "id": new_id(),
        "provider_key": door.provider_key,
        "digest": hashlib.sha256(hook.body + (f"?{query}".encode() if query else b"")).hexdigest(),
        "body": b64encode(hook.body).decode(),
        "query": query,
        "headers": shown(headers, source.shown_headers),
        "secret": verdict.secret,
        "request_id": request_id,
    }
    _writer.write((door.tenant_id, order))
    return ""


def verify(door: Door, mode: str, token: str) -> None:
    """The provider's question whether this address is the one meant. Raises InvalidSignature."""
    if mode != "subscribe" or not is_same(token, door.verify_token):
        raise InvalidSignature(
            f"{door.provider_key}: the verify token is not the one that is set here.",
            provider=door.provider_key,
            reason="wrong_verify_token" if door.verify_token else "no_verify_token",
        )


def echo(challenge: str) -> str:
    """The challenge, if it is one: who echoes more says whatever its caller wants. Raises InvalidRequest."""
    if not _CHALLENGE.fullmatch(challenge):
        expected = "1 to 128 letters and digits"
        fault = {"field": "hub.challenge", "reason": "malformed", "expected": expected}
        raise InvalidRequest(f"hub.challenge must be {expected}.", reason="invalid_fields", fields=[fault])
    return challenge


def shown(headers: Mapping[str, str], more: Collection[str] = ()) -> dict[str, str]:
    """The headers as they are kept: of most the name alone, since proxies put their secrets into some. `more` are the
    names, in lower case, of those that are kept beside the usual ones."""
    return {
        name: _shown(name, value) if name in SHOWN_HEADERS or name.lower() in more else HIDDEN
        for name, value in headers.items()
    }


def _shown(name: str, value: str) -> str:
    if name.startswith("X-Hub-Signature"):
        return value if len(value) <= SHOWN_OF_SIGNATURE else f"{value[:SHOWN_OF_SIGNATURE]}..."
    return value[:500]


def _keep_refused(door: Door, verdict: Verdict, body: bytes, headers: Mapping[str, str]) -> None:
    """The last fifty, one a second: who sends what is not signed must fill no disk, and hears no more of it."""
    place = (door.tenant_id, door.provider_key)
    if _refused_lately.get(place):
        return
    _refused_lately.put(place, True)
    order: dict[str, Any] = {
        "id": new_id(),
        "provider_key": door.provider_key,
        "reason": verdict.reason,
        "explanation": f"{verdict.explanation} {verdict.compared}".rstrip(),
        "headers": headers,
        "body": b64encode(body[:REFUSED_BYTES]).decode(),
        "size": len(body),
        "most": REFUSED_KEPT,
    }
    try:
        call_in_scope(door.tenant_id, KEEP_REFUSED, order)
    except (DatabaseError, *DATABASE_AWAY) as error:
        log.warning("A refused webhook could not be kept.", error=type(error).__name__)


def forget() -> None:
    """This process keeps the next refused body of every endpoint again."""
    _refused_lately.clear()
