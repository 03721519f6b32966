"""A worker's side: one subscription's due deliveries, some at a time, until nothing is due or its turn is over.

It runs in a thread beside the worker's tasks, so that a receiver that answers late holds up no worker; and each
subscription has its own few threads, so that it holds up no other subscription either.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from credentials.errors import VaultUnreadable
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from integrationhub.outbox import posting
from integrationhub.outbox.models import Event
from integrationhub.webhooks.telling import recording
from integrationhub.webhooks.telling.delivering import MOST_TRIES, Job, Receiver, Verdict, body_of, receiver_of, send
from integrationhub.webhooks.telling.models import Delivery, Disabled, Subscription

log = structlog.get_logger(__name__)

# Subscriptions that one process tells at a time, and requests to one of them.
STINTS_AT_ONCE = 16
REQUESTS_AT_ONCE = 8
# No new request is begun after so long: others wait for a turn.
STINT_SECONDS = 8.0
# Longer than the rest of a stint: the last requests, and what is written of them.
LEASE_SECONDS = 30.0
UNREADABLE_PAUSE_SECONDS = 30.0

# Nothing by who has it no more, as after it was given another address. Of an ordered subscription the first that is
# pending of each key, and no other.
CLAIM = """
WITH due AS (
    SELECT id FROM telling_delivery AS delivery
    WHERE tenant_id = %(tenant_id)s AND subscription_id = %(subscription_id)s AND status = 'pending' AND due_at <= now()
      AND EXISTS (
          SELECT FROM telling_subscription
          WHERE tenant_id = %(tenant_id)s AND id = %(subscription_id)s AND takes = %(take)s)
      AND (NOT %(is_ordered)s OR NOT EXISTS (
          SELECT FROM telling_delivery AS before
          WHERE before.tenant_id = %(tenant_id)s AND before.subscription_id = %(subscription_id)s
            AND before.key = delivery.key AND before.status = 'pending' AND before.id < delivery.id))
    ORDER BY due_at, id LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE telling_delivery AS delivery
SET tries = tries + 1,
    status = CASE WHEN tries < %(most_tries)s THEN 'pending' ELSE 'dead' END,
    due_at = CASE WHEN tries < %(most_tries)s THEN now() + make_interval(secs => %(lease)s) END
FROM due WHERE delivery.id = due.id AND delivery.tenant_id = %(tenant_id)s
RETURNING delivery.id, delivery.event_id, delivery.type, delivery.tries, delivery.replays, delivery.status
"""


def begin(tenant_id: UUID, subscription_id: UUID, take: int) -> None:
    """Run the stint beside what this worker does. The row's lease brings it back, should this process end first."""
    _threads().submit(_guarded, tenant_id, subscription_id, take)


@cache
def _threads() -> ThreadPoolExecutor:
    """Made by the process that uses them: threads do not survive a fork."""
    return ThreadPoolExecutor(STINTS_AT_ONCE, thread_name_prefix="telling")


def _guarded(tenant_id: UUID, subscription_id: UUID, take: int) -> None:
    try:
        run(tenant_id, subscription_id, take)
    except DatabaseError as error:
        log.warning("The database went away over a webhook subscription.", error=type(error).__name__)
    except Exception:
        # The boundary of one subscription: it is taken again after its lease, and the others go on.
        log.exception("A webhook subscription could not be told.", subscription_id=str(subscription_id))
    finally:
        connection.close()


def run(tenant_id: UUID, subscription_id: UUID, take: int) -> None:
    """Deliver what is due to a subscription that was given to this worker by this number; nothing if it was not."""
    subscription = _held(tenant_id, subscription_id, take)
    if subscription is None:
        return
    until, pause = time.monotonic() + STINT_SECONDS, 0.0
    try:
        receiver = receiver_of(subscription)
        while not pause and time.monotonic() < until and (jobs := _claimed(subscription)):
            pause = _told(subscription, receiver, jobs)
    except VaultUnreadable as error:
        log.warning("The secret of a webhook subscription does not open now.", reason=error.details.get("reason"))
        pause = UNREADABLE_PAUSE_SECONDS
    _release(subscription, take, pause)


def _held(tenant_id: UUID, subscription_id: UUID, take: int) -> Subscription | None:
    with tenant_scope(tenant_id):
        mine = Subscription.objects.for_tenant(tenant_id).filter(id=subscription_id, takes=take, is_enabled=True)
        if not mine.update(free_at=_in(LEASE_SECONDS)):
            return None
        held: Subscription = mine.get()
        return held


def _claimed(subscription: Subscription) -> list[Job]:
    order: dict[str, Any] = {
        "tenant_id": subscription.tenant_id,
        "subscription_id": subscription.id,
        "take": subscription.takes,
        "is_ordered": subscription.is_ordered,
        "most": REQUESTS_AT_ONCE,
        "most_tries": MOST_TRIES,
        "lease": LEASE_SECONDS,
    }
    with tenant_scope(subscription.tenant_id):
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, order)
            # One whose last try ended its worker is dead, and was not claimed.
            rows = sorted(row[:-1] for row in cursor.fetchall() if row[-1] == Delivery.Status.PENDING)
        told = Event.objects.for_tenant(subscription.tenant_id).in_bulk([event_id for _, event_id, *_ in rows])
    return [
        Job(row_id, event_id, type_, tries, replays, body_of(told[event_id]))
        for row_id, event_id, type_, tries, replays in rows
    ]


def _told(subscription: Subscription, receiver: Receiver, jobs: Sequence[Job]) -> float:
    """Send them, at the same time; returns how long the receiver is to be left alone then, in seconds."""
    tenant_id, verdicts = subscription.tenant_id, []
    let_go_of_connection()
    with ThreadPoolExecutor(len(jobs), thread_name_prefix="telling") as threads:
        under_way = {threads.submit(send, receiver, job): job for job in jobs}
        for done in as_completed(under_way):
            recording.record(tenant_id, under_way[done], done.result())
            let_go_of_connection()
            verdicts.append(done.result())
    _note(subscription, verdicts)
    asked_for = max((verdict.leave_alone_seconds for verdict in verdicts if verdict.upstream_status), default=0.0)
    return max(asked_for, min(verdict.leave_alone_seconds for verdict in verdicts))


def _note(subscription: Subscription, verdicts: Sequence[Verdict]) -> None:
    if any(verdict.is_gone for verdict in verdicts):
        recording.disable(subscription, Disabled.GONE)
    elif any(verdict.is_delivered for verdict in verdicts):
        recording.note_success(subscription)
    else:
        recording.note_failure(subscription)


def _release(subscription: Subscription, take: int, pause: float) -> None:
    """Somebody else may have it, now or after the pause; the relay looks at once whether there is more."""
    tenant_id = subscription.tenant_id
    with tenant_scope(tenant_id):
        mine = Subscription.objects.for_tenant(tenant_id).filter(id=subscription.id, takes=take)
        mine.update(free_at=_in(pause))
        waiting = Delivery.objects.for_tenant(tenant_id).filter(
            subscription_id=subscription.id, status=Delivery.Status.PENDING, due_at__lte=Now()
        )
        if not pause and waiting.exists():
            posting.ring()


def _in(seconds: float) -> Any:
    return Now() + timedelta(seconds=seconds)
