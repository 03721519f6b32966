"""What came of a delivery, on its row and on its subscription. Each function is a scope of its own.

A `subscription` is given as it was when it was told: what is heard from another address than its present one, or for
whom it was taken before it was enabled anew, is not held against it.
"""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import events
from integrationhub.webhooks.telling.delivering import Job, Verdict, attempt_of, pause_before_next
from integrationhub.webhooks.telling.models import LONGEST_FAILING, QUIET, Delivery, Disabled, Subscription

# Longer than a restart of the receiver; soon enough to mend it before anything is lost.
WARNED_AFTER = timedelta(hours=1)
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

# Since when it fails; whether that is too long; and whether this failure is the first after the time of the warning.
FAILED = """
WITH before AS (
    SELECT id, last_failed_at,
        CASE WHEN last_failed_at > now() - %(quiet)s THEN coalesce(failing_since, now()) ELSE now() END AS since
    FROM telling_subscription WHERE id = %(id)s AND tenant_id = %(tenant_id)s AND takes = %(take)s AND is_enabled
    FOR UPDATE)
UPDATE telling_subscription AS subscription SET failing_since = before.since, last_failed_at = now()
FROM before WHERE subscription.id = before.id AND subscription.tenant_id = %(tenant_id)s
RETURNING before.since, before.since <= now() - %(longest)s,
    before.since <= now() - %(warned_after)s AND before.last_failed_at < before.since + %(warned_after)s
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


def note_success(subscription: Subscription) -> None:
    """The receiver takes what it is sent; costs nothing where it did so before."""
    with tenant_scope(subscription.tenant_id):
        mine = Subscription.objects.for_tenant(subscription.tenant_id).filter(id=subscription.id, url=subscription.url)
        mine.filter(failing_since__isnull=False).update(failing_since=None)


def note_failure(subscription: Subscription) -> None:
    """Disables one that has taken nothing for five days, of which none passed without a failure; warns before that."""
    values: dict[str, Any] = {
        "id": subscription.id,
        "tenant_id": subscription.tenant_id,
        "take": subscription.takes,
        "quiet": QUIET,
        "longest": LONGEST_FAILING,
        "warned_after": WARNED_AFTER,
    }
    with tenant_scope(subscription.tenant_id):
        with connection.cursor() as cursor:
            cursor.execute(FAILED, values)
            found = cursor.fetchone()
        if found is None:  # Removed, disabled or taken by another meanwhile.
            return
        since, is_too_long, is_to_be_told = found
        if is_to_be_told:
            _warn(subscription.tenant_id, subscription.id, since)
        if is_too_long:
            disable(subscription, Disabled.FAILING)


def _warn(tenant_id: UUID, subscription_id: UUID, since: datetime) -> None:
    events.publish(
        tenant_id=tenant_id,
        kind="webhook_subscription.failing",
        subscription_id=str(subscription_id),
        failing_since=moment(since),
        will_be_disabled_at=moment(since + LONGEST_FAILING),
    )


def disable(told: Subscription, reason: Disabled) -> None:
    """By ourselves, with notice; what waits for it is skipped."""
    tenant_id = told.tenant_id
    with tenant_scope(tenant_id):
        mine = Subscription.objects.for_tenant(tenant_id).filter(id=told.id, takes=told.takes, is_enabled=True)
        subscription = mine.select_for_update().first()
        if subscription is None:
            return
        stop(subscription, reason)
        since = subscription.failing_since
        events.publish(
            tenant_id=tenant_id,
            kind="webhook_subscription.disabled",
            subscription_id=str(told.id),
            reason=reason.value,
            failing_since=moment(since) if since else None,
        )
        trail.record(
            tenant_id=tenant_id,
            action="subscription.disabled",
            actor=trail.SYSTEM,
            about=f"subscription:{told.id}",
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
