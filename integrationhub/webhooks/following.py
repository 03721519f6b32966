"""What Meta tells of a message that an execution sent is told to that execution too, as other providers' news are."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from integrationhub.execution import deliveries
from integrationhub.webhooks import meta
from integrationhub.webhooks.models import WebhookEvent
from providers.callbacks import Kind
from providers.errors import Stop
from providers.meta_codes import meaning_of
from whatsapp import accounts, inbound
from whatsapp.models import Delivery, DeliveryStatus

KINDS: Mapping[str, Kind] = {
    DeliveryStatus.SENT: Kind.SENT,
    DeliveryStatus.DELIVERED: Kind.DELIVERED,
    DeliveryStatus.READ: Kind.READ,
    DeliveryStatus.PLAYED: Kind.READ,
    DeliveryStatus.FAILED: Kind.FAILED,
}


def handle_statuses(events: Sequence[WebhookEvent]) -> set[UUID]:
    """Move the deliveries on that statuses of one tenant's are of, and their executions with them. Returns the ids of
    those of a message of ours.

    A message that no execution sent costs nothing more. Raises Unreadable.
    """
    values = [meta.said_of(event.payload)[1] for event in events]
    ours = set()
    for place, delivery in inbound.handle_statuses(events[0].tenant_id, values):
        event = events[place]
        ours.add(event.id)
        if delivery.attempt_id:
            news = _news_of(event, delivery, values[place]["statuses"][0]["status"])
            deliveries.apply(event.tenant_id, news)
    return ours


def _news_of(event: WebhookEvent, delivery: Delivery, word: str) -> deliveries.News:
    """The tenant is told of it by WhatsApp's own delivery: the trigger on its table."""
    reason, code, fault = _failure_of(delivery) if word == DeliveryStatus.FAILED else ("", "", "")
    return deliveries.News(
        id=str(event.id),
        kind=KINDS[word],
        provider_key=accounts.KEY,
        reference=delivery.meta_id,
        at=event.occurred_at or event.received_at,
        attempt_id=delivery.attempt_id,
        reason=reason,
        code=code,
        fault=fault,
        is_told=True,
    )


def _failure_of(delivery: Delivery) -> tuple[str, str, str]:
    """Its reason, Meta's code, and that of the error reference where the recipient or the content is at fault. A
    message that has reached somebody all the same keeps no error."""
    told: Mapping[str, Any] = (delivery.error or {}).get("details", {}).get("meta") or {}
    if not (code := told.get("code")):
        return "message_failed", "", ""
    meaning = meaning_of(code, HTTPStatus.BAD_REQUEST, details=told["details"])
    return f"meta_{code}", str(code), meaning.entry.code if meaning.kind is Stop else ""
