"""What was not delivered, or is wanted again, sent once more; and a test that is sent now."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.ids import earliest_id, read_id
from integrationhub.core.tenancy import TenantQuerySet, let_go_of_connection, tenant_scope
from integrationhub.outbox import events, posting
from integrationhub.outbox.models import Event
from integrationhub.webhooks.telling import delivering, recording, subscribing
from integrationhub.webhooks.telling.delivering import SEND_SECONDS, Job
from integrationhub.webhooks.telling.kinds import TEST
from integrationhub.webhooks.telling.models import KEPT, Delivery, Subscription

UNDELIVERED = (Delivery.Status.SKIPPED, Delivery.Status.DEAD)


def listed(*, tenant_id: UUID, **wanted: str | UUID) -> TenantQuerySet:
    """`wanted` is any of status, type and subscription_id. Evaluate it inside the tenant's scope."""
    return Delivery.objects.for_tenant(tenant_id).filter(**wanted)


def find(*, tenant_id: UUID, delivery_id: str) -> Delivery | None:
    with tenant_scope(tenant_id):
        return listed(tenant_id=tenant_id).filter(id=read_id(delivery_id)).first()


def body(delivery: Delivery) -> str | None:
    """What is sent. None: the event is forgotten."""
    with tenant_scope(delivery.tenant_id):
        event = Event.objects.for_tenant(delivery.tenant_id).filter(id=delivery.event_id).first()
    return delivering.body_of(event).decode() if event else None


def replay(*, tenant_id: UUID, delivery: Delivery, subject: str) -> Delivery:
    """Send it once more, under its id, whatever came of it. Raises InvalidRequest where nobody is there to tell."""
    with tenant_scope(tenant_id):
        subscription = Subscription.objects.for_tenant(tenant_id).filter(id=delivery.subscription_id).first()
        if subscription is None or not subscription.is_enabled:
            raise _nobody_there(subscription)
        _again(listed(tenant_id=tenant_id).filter(id=delivery.id))
        delivery.refresh_from_db()
        trail.record(tenant_id=tenant_id, action="webhook.replayed", actor=subject, about=f"webhook:{delivery.id}")
    return delivery


def replay_since(*, tenant_id: UUID, subscription_id: str, since: datetime, subject: str) -> int:
    """Send what was skipped or is dead, of events since then; returns how many. Raises InvalidRequest."""
    with tenant_scope(tenant_id):
        subscription = subscribing.found(Subscription.objects.for_tenant(tenant_id), subscription_id)
        if not subscription.is_enabled:
            raise _nobody_there(subscription)
        # Ids tell when a row was made, which is when the event happened; the index goes by them.
        since = max(since, datetime.now(UTC) - KEPT)
        mine = listed(tenant_id=tenant_id).filter(subscription_id=subscription.id, id__gte=earliest_id(since))
        count = _again(mine.filter(status__in=UNDELIVERED).exclude(type=TEST))
        trail.record(
            tenant_id=tenant_id,
            action="subscription.replayed",
            actor=subject,
            about=f"subscription:{subscription.id}",
            count=count,
        )
    return count


def _again(rows: TenantQuerySet) -> int:
    count = rows.update(status=Delivery.Status.PENDING, due_at=Now(), tries=0, replays=F("replays") + 1)
    if count:
        posting.ring()
    return int(count)


def test(*, tenant_id: UUID, subscription_id: str, subject: str) -> Delivery:
    """Send an event of its own kind now, to this subscription alone, enabled or not; one try, whose outcome is on the
    row. Raises InvalidRequest (404), and VaultUnreadable before anything is stored."""
    subscription = subscribing.get(tenant_id=tenant_id, subscription_id=subscription_id)
    receiver = delivering.receiver_of(subscription)
    with tenant_scope(tenant_id):
        event = events.publish(tenant_id=tenant_id, kind=TEST, subscription_id=str(subscription.id))
        event.refresh_from_db()
        delivery = Delivery.objects.create(
            tenant_id=tenant_id,
            subscription_id=subscription.id,
            event_id=event.id,
            type=TEST,
            key=TEST,
            tries=1,
            occurred_at=event.created_at,
            # Should this process end meanwhile, a worker finds it, if the subscription is enabled.
            due_at=Now() + timedelta(seconds=3 * SEND_SECONDS),
        )
        trail.record(
            tenant_id=tenant_id, action="subscription.tested", actor=subject, about=f"subscription:{subscription.id}"
        )
    let_go_of_connection()
    job = Job(delivery.id, event.id, TEST, delivery.tries, 0, delivering.body_of(event))
    verdict = delivering.send(receiver, job)
    recording.record(tenant_id, job, verdict)
    if verdict.is_delivered:
        recording.note_success(subscription)
    with tenant_scope(tenant_id):
        delivery.refresh_from_db()
    return delivery


def _nobody_there(subscription: Subscription | None) -> InvalidRequest:
    if subscription is None:
        return InvalidRequest("The subscription that it was for is removed.", reason="subscription_removed")
    return InvalidRequest("Enable the subscription first; then what it has missed can be sent.", reason="not_enabled")
