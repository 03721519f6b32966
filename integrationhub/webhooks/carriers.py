"""Webhooks of the providers whose adapters read them: whose signature it is, and what is told."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from credentials import binding
from integrationhub.core import storable
from integrationhub.core.ids import read_id
from integrationhub.webhooks.meta import ALWAYS_ROOM, LONGEST_REFERENCE, MOST_GROWTH, MOST_ITEMS, UNREADABLE, Item
from integrationhub.webhooks.signatures import Verdict
from providers import callbacks
from providers.adapter import Adapter
from providers.callbacks import InboundEvent, Webhook
from providers.errors import InvalidSignature

# A body that tells nothing the hub has a word for; it is kept to be seen.
OTHER = "other"
VERSIONS = ("current", "previous")
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


def secrets_of(tenant_id: UUID, provider_key: str) -> tuple[Mapping[str, Any], ...]:
    """What is bound now and, while it is kept, what was before it. Without a credential there is one that is empty:
    the adapter says what is missing. Raises the vault's errors."""
    return binding.current_and_previous(tenant_id=tenant_id, provider_key=provider_key) or ({},)


def judge(adapter: Adapter, hook: Webhook, versions: Sequence[Mapping[str, Any]]) -> Verdict:
    """Which of the versions it is signed by; for none the verdict of the one in use. Raises what `Adapter.ask` does."""
    refusals = []
    for name, secrets in zip(VERSIONS, versions, strict=False):
        try:
            adapter.verify_webhook(hook, secrets)
        except InvalidSignature as refusal:
            refusals.append(refusal)
        else:
            return Verdict(secret=name)
    words = refusals[0].message.removeprefix(f"{adapter.key}: ")
    return Verdict(reason=refusals[0].reason[:40], explanation=words)


def handshake(adapter: Adapter, hook: Webhook, versions: Sequence[Mapping[str, Any]], verdict: Verdict) -> str | None:
    return adapter.answer_handshake(hook, versions[VERSIONS.index(verdict.secret)])


def taken_apart(adapter: Adapter, hook: Webhook) -> list[Item]:
    """All that a webhook tells. Raises nothing for what is in it."""
    ours = hook.query().get(callbacks.ATTEMPT, "")
    try:
        items = [_item(event, ours) for event in adapter.parse_webhook(hook)]
    except _UNREADABLE:
        return [_whole(UNREADABLE, hook)]
    room = MOST_GROWTH * len(hook.body) + ALWAYS_ROOM
    if len(items) > MOST_ITEMS or sum(len(item.payload) for item in items) > room:
        return [_whole(UNREADABLE, hook)]
    return items or [_whole(OTHER, hook)]


def _item(event: InboundEvent, ours: str) -> Item:
    attempt_id = event.attempt_id or read_id(ours)
    told = {"reason": storable.text(event.reason, storable.LONGEST_REASON), "code": storable.text(event.code, 80)}
    told |= {"fault": event.fault.code} if event.fault else {}
    return Item(
        event.kind.value,
        json.dumps(storable.json_value(event.payload)),
        _digest(event.kind.value, event.key),
        storable.text(event.reference, LONGEST_REFERENCE),
        occurred_at=event.occurred_at,
        told={**told, "attempt_id": str(attempt_id)} if attempt_id else told,
    )


def _whole(kind: str, hook: Webhook) -> Item:
    text = storable.text((hook.body or hook.url.partition("?")[2].encode()).decode("utf-8", "replace"))
    return Item(kind, text, _digest(kind, hashlib.sha256(hook.body).hexdigest(), hook.url.partition("?")[2]))


def _digest(*parts: str) -> bytes:
    """Each part with its length, so that no two lists of parts are written alike."""
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "replace")).digest()
