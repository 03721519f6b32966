"""What Meta tells of a message that an execution sent is told to that execution too, as other providers' news are."""

from collections.abc import Mapping
from typing import Any

from integrationhub.execution import deliveries
from integrationhub.webhooks.models import WebhookEvent
from providers.callbacks import Kind
from whatsapp import accounts, inbound
from whatsapp.models import Delivery, DeliveryStatus

KINDS: Mapping[str, Kind] = {
    DeliveryStatus.SENT: Kind.SENT,
    DeliveryStatus.DELIVERED: Kind.DELIVERED,
    DeliveryStatus.READ: Kind.READ,
    DeliveryStatus.PLAYED: Kind.READ,
    DeliveryStatus.FAILED: Kind.FAILED,
}


def handle_status(event: WebhookEvent, value: Mapping[str, Any]) -> bool:
    """Move the delivery on that a status is of, and its execution with it; False for a message that is not ours.

    A message that no execution sent costs nothing more. Raises Unreadable.
    """
    delivery = inbound.handle_status(event.tenant_id, value)
    if delivery is not None and delivery.attempt_id:
        deliveries.apply(event.tenant_id, _news_of(event, delivery, value["statuses"][0]["status"]))
    return delivery is not None


def _news_of(event: WebhookEvent, delivery: Delivery, word: str) -> deliveries.News:
    """The tenant is told of it by WhatsApp's own delivery: the trigger on its table."""
    code = (
        str(delivery.error["details"]["meta"]["code"] or "") if word == DeliveryStatus.FAILED and delivery.error else ""
    )
    return deliveries.News(
        id=str(event.id),
        kind=KINDS[word],
        provider_key=accounts.KEY,
        reference=delivery.meta_id,
        at=event.occurred_at or event.received_at,
        attempt_id=delivery.attempt_id,
        reason=f"meta_{code}" if code else "message_failed" if word == DeliveryStatus.FAILED else "",
        code=code,
        is_told=True,
    )
