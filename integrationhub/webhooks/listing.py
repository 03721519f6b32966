"""A tenant's webhook events, from providers and to its own addresses: found, looked into, and replayed."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core.ids import read_id
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from integrationhub.outbox import posting
from integrationhub.webhooks.collecting import HANDLE_TASK, HELD_SECONDS
from integrationhub.webhooks.errors import WebhookNotFound
from integrationhub.webhooks.models import NOBODY, Post, WebhookEvent
from integrationhub.webhooks.telling import replaying
from integrationhub.webhooks.telling.both_ways import BothWays
from integrationhub.webhooks.telling.models import Delivery


def both_ways(
    *, tenant_id: UUID, direction: str = "", subscription_id: UUID | None = None, **wanted: str
) -> QuerySet[Any]:
    """What `pagination.page` can go through: `wanted` is any of provider_key, status and type. Evaluate it inside the
    tenant's scope."""
    rows = []
    if direction != WebhookEvent.Direction.OUT and subscription_id is None:
        rows.append(listed(tenant_id=tenant_id, **wanted))
    if direction != WebhookEvent.Direction.IN and not wanted.pop("provider_key", ""):
        only = {"subscription_id": subscription_id} if subscription_id else {}
        rows.append(replaying.listed(tenant_id=tenant_id, **wanted, **only))
    return cast("QuerySet[Any]", BothWays(rows))


def listed(*, tenant_id: UUID, **wanted: str) -> TenantQuerySet:
    """`wanted` is any of direction, provider_key, status and type. Evaluate it inside the tenant's scope."""
    return WebhookEvent.objects.for_tenant(tenant_id).filter(**wanted)


def get(*, tenant_id: UUID, event_id: str) -> WebhookEvent | Delivery:
    """Raises WebhookNotFound, also for another tenant's and for one that belongs to nobody."""
    if delivery := replaying.find(tenant_id=tenant_id, delivery_id=event_id):
        return delivery
    with tenant_scope(tenant_id):
        return _found(listed(tenant_id=tenant_id), event_id)


def _found(rows: TenantQuerySet, event_id: str) -> WebhookEvent:
    event: WebhookEvent | None = rows.filter(id=read_id(event_id)).first()
    if event is None:
        raise WebhookNotFound(f"There is no webhook event {event_id[:64]!r}.", id=event_id[:64])
    return event


def post_of(event: WebhookEvent | Delivery) -> Post | None:
    """The body that it came in, without the bytes where they tell of other tenants too. None: it is forgotten, or it
    did not come in."""
    if isinstance(event, Delivery):
        return None
    owner = NOBODY if event.is_shared else event.tenant_id
    with tenant_scope(owner):
        rows = Post.objects.for_tenant(owner).filter(id=event.post_id)
        found: Post | None = (rows.defer("body") if event.is_shared else rows).first()
    return found


def raw_body(event: WebhookEvent | Delivery, post: Post | None) -> str | None:
    """What was posted; of the address that all tenants share the event's own part alone. None: it is forgotten."""
    if isinstance(event, Delivery):
        return replaying.body(event)
    if event.is_shared or post is None:
        return event.payload
    return bytes(post.body).decode("utf-8", "replace") or post.query


def replay(*, tenant_id: UUID, event_id: str, subject: str, request_id: str = "") -> WebhookEvent | Delivery:
    """Have a worker handle, or send, the event once more, under its id. Raises WebhookNotFound, and InvalidRequest for
    one that nobody is there to be sent."""
    if delivery := replaying.find(tenant_id=tenant_id, delivery_id=event_id):
        return replaying.replay(tenant_id=tenant_id, delivery=delivery, subject=subject)
    with tenant_scope(tenant_id):
        event = _found(listed(tenant_id=tenant_id).select_for_update(), event_id)
        again: dict[str, Any] = {"status": WebhookEvent.Status.RECEIVED, "replays": F("replays") + 1}
        # The relay looks for it by then, should the message be lost.
        due_at = Now() + timedelta(seconds=HELD_SECONDS)
        listed(tenant_id=tenant_id).filter(id=event.id).update(**again, due_at=due_at, processed_at=None)
        posting.post(tenant_id=tenant_id, task=HANDLE_TASK, queue="webhook", request_id=request_id, ids=[str(event.id)])
        event.refresh_from_db()
        trail.record(tenant_id=tenant_id, action="webhook.replayed", actor=subject, about=f"webhook:{event.id}")
    return event
