"""What came of a delivery, on its row and on its subscription. Each function is a scope of its own."""

import json
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from integrationhub.audit import trail
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import events
from integrationhub.webhooks.telling.delivering import Job, Verdict, attempt_of, pause_before_next
from integrationhub.webhooks.telling.models import Delivery, Disabled, Subscription

FAILING_DAYS = 5
MOST_ATTEMPTS_SHOWN = 30

# What is delivered is delivered, however late its worker hears of it. What follows a failure, the latest try says.
RECORD = """
UPDATE telling_delivery SET
    attempts = CASE WHEN jsonb_array_length(attempts) < %(most)s THEN attempts ELSE attempts - 0 END
               || %(attempt)s::jsonb,
    status = CASE WHEN %(is_delivered)s THEN 'delivered'
                  WHEN status <> 'pending' OR tries <> %(tries)s THEN status
                  WHEN %(pause)s::float8 IS NULL THEN 'dead' ELSE 'pending' END,
    due_at = CASE WHEN %(is_delivered)s THEN NULL
                  WHEN status <> 'pending' OR tries <> %(tries)s THEN due_at
                  ELSE now() + make_interval(secs => %(pause)s::float8) END,
    delivered_at = CASE WHEN %(is_delivered)s THEN now() ELSE delivered_at END
WHERE id = %(id)s AND tenant_id = %(tenant_id)s
"""


def record(tenant_id: UUID, job: Job, verdict: Verdict) -> None:
    """On the delivery's row."""
    values: dict[str, Any] = {
        "id": job.id,
        "tenant_id": tenant_id,
        "tries": job.tries,
        "most": MOST_ATTEMPTS_SHOWN,
        "attempt": json.dumps([attempt_of(job, verdict)]),
        "is_delivered": verdict.is_delivered,
        "pause": pause_before_next(job, verdict),
    }
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(RECORD, values)


def note_success(tenant_id: UUID, subscription_id: UUID) -> None:
    """The receiver takes what it is sent; costs nothing where it did so before."""
    with tenant_scope(tenant_id):
        failing = Subscription.objects.for_tenant(tenant_id).filter(id=subscription_id, failing_since__isnull=False)
        failing.update(failing_since=None)


def note_failure(tenant_id: UUID, subscription_id: UUID) -> None:
    """Disables one that has taken nothing for five days."""
    with tenant_scope(tenant_id):
        mine = Subscription.objects.for_tenant(tenant_id).filter(id=subscription_id)
        mine.update(failing_since=Coalesce(F("failing_since"), Now()))
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT failing_since <= now() - make_interval(days => %s) FROM telling_subscription
                   WHERE id = %s AND tenant_id = %s""",
                [FAILING_DAYS, subscription_id, tenant_id],
            )
            found = cursor.fetchone()
        if found and found[0]:
            disable(tenant_id, subscription_id, Disabled.FAILING)


def disable(tenant_id: UUID, subscription_id: UUID, reason: Disabled) -> None:
    """By ourselves, with notice; what waits for it is skipped."""
    with tenant_scope(tenant_id):
        mine = Subscription.objects.for_tenant(tenant_id).filter(id=subscription_id, is_enabled=True)
        subscription = mine.select_for_update().first()
        if subscription is None:
            return
        stop(subscription, reason)
        since = subscription.failing_since
        events.publish(
            tenant_id=tenant_id,
            kind="webhook_subscription.disabled",
            subscription_id=str(subscription_id),
            reason=reason.value,
            failing_since=moment(since) if since else None,
        )
        trail.record(
            tenant_id=tenant_id,
            action="subscription.disabled",
            actor=trail.SYSTEM,
            about=f"subscription:{subscription_id}",
            reason=reason.value,
        )


def stop(subscription: Subscription, reason: Disabled) -> None:
    """Inside the caller's scope: it is disabled, and what waits for it is kept as skipped."""
    tenant_id = subscription.tenant_id
    Subscription.objects.for_tenant(tenant_id).filter(id=subscription.id).update(
        is_enabled=False, disabled_at=Now(), disabled_reason=reason, updated_at=Now()
    )
    skip_pending(tenant_id, subscription.id)


def skip_pending(tenant_id: UUID, subscription_id: UUID) -> None:
    """Inside the caller's scope."""
    waiting = Delivery.objects.for_tenant(tenant_id).filter(
        subscription_id=subscription_id, status=Delivery.Status.PENDING
    )
    waiting.update(status=Delivery.Status.SKIPPED, due_at=None)
