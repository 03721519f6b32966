"""Executions that have succeeded only once their message was sent or delivered: `options.success_status`.

After a provider has accepted, the execution stays `running`, and its delivery is waited for: no worker holds it, and no
lease runs. What the provider tells, or the time that is over, settles it under the lock of the delivery's row, so that
of the two one comes first. Then it has succeeded, or a worker goes on down its chain (`queueing.go_on`).

A message that nobody waits for, of a provider that does not tell by itself, is asked for as well, less often.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connections
from django.db.models.functions import Now

from integrationhub.core import catalogue, storable
from integrationhub.core.errors import HubError
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import errors, failing, keeping, ledger
from integrationhub.execution.models import Attempt, Delivery, DeliveryStatus, Execution, Outcome, Status
from integrationhub.execution.order import ACCEPTED, FOLLOWED, Options
from integrationhub.execution.routing import Chain
from integrationhub.outbox import posting
from integrationhub.outbox.models import OutboxMessage, State
from providers import registry
from providers.errors import Next, Stop

log = structlog.get_logger(__name__)

LOOK_TASK = "integrationhub.execution.tasks.look_at_delivery"
GO_ON_TASK = "integrationhub.execution.tasks.go_on"
AWAIT = "hub_await_delivery"
NOT_IN_TIME = "not_delivered_in_time"
# A provider that can be asked is asked first after so long, then after twice as long and so on, until the time is over.
FIRST_LOOK_SECONDS = 5.0
# The same of one that nobody waits for, for a day.
FIRST_UNAWAITED_LOOK_SECONDS = 60.0
ASKED_FOR = timedelta(days=1)
# So long a look that is due is left to the worker that was rung for.
HELD_SECONDS = 20
DUE = """
UPDATE execution_delivery SET look_at = now() + make_interval(secs => %s)
WHERE id IN (SELECT id FROM execution_delivery WHERE look_at <= now() AND due_at IS NOT NULL
             ORDER BY look_at LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING tenant_id, execution_id, id
"""
# Of those that nobody waits for, few each time, in turn of their tenants: they must not keep executions waiting.
UNAWAITED_DUE = """
WITH due AS (SELECT id, look_at, row_number() OVER (PARTITION BY tenant_id ORDER BY look_at) AS turn
             FROM execution_delivery WHERE look_at <= now() AND due_at IS NULL),
chosen AS MATERIALIZED (  -- Once: a plan may ask again for each row what stands in an IN.
    SELECT id FROM execution_delivery AS row JOIN due USING (id) WHERE row.look_at <= now()
    ORDER BY turn, due.look_at LIMIT 20 FOR UPDATE OF row SKIP LOCKED)
UPDATE execution_delivery SET look_at = now() + make_interval(secs => %s)
FROM chosen WHERE execution_delivery.id = chosen.id
RETURNING tenant_id, execution_id, execution_delivery.id
"""


def conclude(execution: Execution, last: Attempt, options: Options, chain: Chain) -> None:
    """Commit the end of the last attempt, and that of the execution or the wait for its message."""
    adapter = registry.find(execution.provider_key)
    is_followed = adapter is not None and adapter.is_heard_of() and execution.intent.startswith(FOLLOWED)
    if adapter and is_followed and options.is_awaited:
        if _begin(execution, last, options, can_be_asked=adapter.can_be_asked()):
            execution.status = Status.RUNNING
            return
        log.warning("A message cannot be followed: its reference is none, or another's.")
    if execution.error_code and options.is_awaited:
        _forgive(execution)
    is_asked = adapter and adapter.can_be_asked() and not adapter.is_told_where(_config(execution, chain))
    look = FIRST_UNAWAITED_LOOK_SECONDS if is_asked else None
    ledger.conclude(execution, last, is_followed=is_followed, look_seconds=look)


def _config(execution: Execution, chain: Chain) -> Mapping[str, Any]:
    """That of the installation by which it was sent."""
    return next((step.config for step in chain.steps if step.provider_key == execution.provider_key), {})


def _forgive(execution: Execution) -> None:
    """Nobody need send again what came while the last provider was called."""
    with tenant_scope(execution.tenant_id):
        late, attempts = came_late(execution), ledger.attempts_of(execution)
    if late:
        succeed_late(execution, late, attempts[0].provider_key)
        execution.error_code = execution.error_message = ""
        execution.error_details = {}


def succeed_late(execution: Execution, late: Delivery, first: str) -> None:
    """By a message that is there, if not in time; `first` is who was tried first. The caller writes it down."""
    execution.status, execution.provider_key, execution.reference = Status.SUCCEEDED, late.provider_key, late.reference
    execution.fallback_used = late.provider_key != first
    execution.duration_ms = _duration_ms(execution)


def _begin(execution: Execution, accepted: Attempt, options: Options, *, can_be_asked: bool) -> bool:
    """False where there is nothing that it would be found by. A webhook may have told of it already: then it is settled
    here."""
    wait = options.fallback_after_ms / 1000
    look = min(FIRST_LOOK_SECONDS, wait) if can_be_asked else wait
    told = {
        "ended": ledger.end_of(accepted),
        "execution_id": execution.id,
        "takes": execution.takes,
        "provider_key": execution.provider_key,
        "fallback_used": execution.fallback_used,
        "reference": execution.reference,
        "result": execution.result,
        "skipped": execution.skipped,
        "routing": execution.routing,
        "wanted": options.success_status,
        "wait_seconds": wait,
        "look_seconds": look,
    }
    [(status,)] = ledger.insisted(execution.tenant_id, AWAIT, told) if execution.reference else [(None,)]
    if status is None:
        return False
    if status != DeliveryStatus.ACCEPTED:
        settle(execution.tenant_id, accepted.id)
    return True


def settle(tenant_id: UUID, delivery_id: UUID) -> None:
    """Of a delivery that is looked at: end the wait if it is over, by what is known of it or by the clock."""
    with tenant_scope(tenant_id):
        looked_at = Delivery.objects.for_tenant(tenant_id).filter(id=delivery_id, look_at__isnull=False)
        if row := looked_at.select_for_update().first():
            settle_row(row)


def settle_row(row: Delivery) -> None:
    """The same for a row that is locked, inside the caller's `tenant_scope`."""
    now = datetime.now(UTC)
    if row.due_at is None:
        if row.look_at is not None:
            row.look_at = _next_look(row, now)
            row.save(update_fields=["look_at"])
    elif has_come(row):
        _succeed(row, now)
    elif row.status == DeliveryStatus.FAILED or row.due_at <= now:
        _fall_back(row)
    else:
        row.look_at = min(row.due_at, max(now + timedelta(seconds=FIRST_LOOK_SECONDS), now + (now - row.created_at)))
        row.save(update_fields=["look_at"])


def _next_look(row: Delivery, now: datetime) -> datetime | None:
    """When one is asked for that nobody waits for: until the provider has told all that it ever does, for a day."""
    adapter, age = registry.find(row.provider_key), now - row.created_at
    if adapter is None or not adapter.can_be_asked() or row.status == DeliveryStatus.FAILED or age >= ASKED_FOR:
        return None
    last = max((DeliveryStatus.rank(kind.removeprefix("message.")) for kind in adapter.tells), default=0)
    if DeliveryStatus.rank(row.status) >= last:
        return None
    return min(now + max(age, timedelta(seconds=FIRST_UNAWAITED_LOOK_SECONDS)), row.created_at + ASKED_FOR)


def call_off(execution: Execution) -> bool:
    """End the wait for its message, or for the next provider's turn after that, so that nobody else is called; inside
    the caller's `tenant_scope`. False for one that waits for neither: it calls a provider, or its message has come."""
    waited_for = Delivery.objects.for_tenant(execution.tenant_id).filter(
        execution_id=execution.id, due_at__isnull=False
    )
    row = waited_for.select_for_update().first()
    waiting = _end_wait(row) if row else _between_two(execution)
    if waiting is None:
        return False
    # A worker that holds it already can neither begin an attempt nor end it: it does not run.
    waiting.lease_until = None
    waiting.status, waiting.finished_at, waiting.duration_ms = (
        Status.CANCELLED,
        datetime.now(UTC),
        _duration_ms(waiting),
    )
    # Its payload stays for a week, as of any that did not succeed.
    waiting.save(update_fields=["status", "finished_at", "duration_ms", "lease_until"])
    return True


def _between_two(execution: Execution) -> Execution | None:
    """Itself, locked, where its message did not come far enough and the next provider is not called yet."""
    mine = Execution.objects.for_tenant(execution.tenant_id).filter(
        pk=execution.pk, status=Status.RUNNING, lease_until__isnull=False
    )
    found: Execution | None = mine.select_for_update().first()
    if found is None or found.options.get("success_status", ACCEPTED) == ACCEPTED:
        return None
    # What a worker has begun shows in the next statement only, once the row is held.
    attempts = ledger.attempts_of(found)
    is_calling = not attempts or any(each.outcome == Outcome.STARTED for each in attempts)
    return None if is_calling or came_late(found) else found


def came_late(execution: Execution) -> Delivery | None:
    """The message of an earlier attempt that has come far enough after all; inside the caller's `tenant_scope`."""
    rows = Delivery.objects.for_tenant(execution.tenant_id).filter(execution_id=execution.id).exclude(wanted="")
    return next((row for row in rows if has_come(row)), None)


def ring_for_looks(due: str = DUE) -> int:
    """Ring for a worker for each delivery whose time it is, across tenants; returns how many. They are chosen by DUE or
    UNAWAITED_DUE."""
    with connections["system"].cursor() as cursor:
        cursor.execute(due, [HELD_SECONDS])
        rows = cursor.fetchall()
    for tenant_id, execution_id, delivery_id in rows:
        with tenant_scope(tenant_id):
            names = {"execution_id": str(execution_id), "delivery_id": str(delivery_id)}
            _ring_once(tenant_id, LOOK_TASK, names)
    return len(rows)


def ring_to_go_on(execution: Execution) -> None:
    """For a worker that takes the next provider; inside the caller's `tenant_scope`. Until then its lease runs."""
    mine = Execution.objects.for_tenant(execution.tenant_id).filter(pk=execution.pk)
    mine.update(lease_until=Now() + timedelta(seconds=ledger.QUEUE_LEASE_SECONDS))
    names = {"execution_id": str(execution.id), "takes": execution.takes}
    _ring_once(execution.tenant_id, GO_ON_TASK, names, request_id=execution.request_id)


def _ring_once(tenant_id: UUID, task: str, names: dict[str, Any], request_id: str = "") -> None:
    """Unless a message for the same waits already, as while the broker is away."""
    waiting = OutboxMessage.objects.for_tenant(tenant_id).filter(
        execution_id=names["execution_id"], state=State.WAITING, task=task, arguments__contains=names
    )
    if not waiting.exists():
        posting.post(tenant_id=tenant_id, task=task, queue="execute", request_id=request_id, **names)


def has_come(row: Delivery) -> bool:
    """As far as its execution wants; where that wants nothing, to its recipient."""
    wanted = row.wanted or DeliveryStatus.DELIVERED
    return row.status != DeliveryStatus.FAILED and DeliveryStatus.rank(row.status) >= DeliveryStatus.rank(wanted)


def _succeed(row: Delivery, now: datetime) -> None:
    execution = _end_wait(row)
    if execution is None:
        return
    execution.status, execution.finished_at, execution.sealed_payload = Status.SUCCEEDED, now, None
    execution.duration_ms = _duration_ms(execution)
    execution.save(update_fields=["status", "finished_at", "sealed_payload", "duration_ms"])


def _fall_back(row: Delivery) -> None:
    execution = _end_wait(row)
    if execution is None:
        return
    verdict = _verdict(row)
    Attempt.objects.for_tenant(row.tenant_id).filter(id=row.id).update(
        outcome=Outcome.FAILED,
        outcome_class=verdict.outcome_class,
        reason=storable.text(verdict.reason, storable.LONGEST_REASON),
        code=verdict.entry.code,
        message=verdict.message,
        retryable=isinstance(verdict, Next),
    )
    execution.provider_key, execution.reference, execution.result, execution.fallback_used = "", "", {}, False
    execution.save(update_fields=["provider_key", "reference", "result", "fallback_used"])
    if isinstance(verdict, Stop):
        _end(execution, failing.refusal(verdict, row.provider_key))
    else:
        ring_to_go_on(execution)


def _verdict(row: Delivery) -> Next | Stop:
    """What the provider told last of a message that it gave up; else that its time was over."""
    failures = [told for told in row.timeline if row.status == DeliveryStatus.FAILED and told["reason"]]
    if not failures:
        return Next("It was not there in time.", reason=NOT_IN_TIME)
    reason, fault = failures[-1]["reason"], failures[-1].get("fault")
    if not fault:
        return Next("The provider accepted the message and gave it up.", reason=reason)
    entry = catalogue.ENTRIES[fault] if fault != catalogue.INVALID_REQUEST.code else None
    return Stop(
        "The provider accepted the message, and found the recipient or the content at fault.",
        reason=reason,
        entry=entry,
    )


def _end(execution: Execution, failure: HubError) -> None:
    """Nobody else is called; it has succeeded all the same where the message of an attempt before has come."""
    sealed, late, attempts = execution.sealed_payload, came_late(execution), ledger.attempts_of(execution)
    if late:
        succeed_late(execution, late, attempts[0].provider_key)
    else:
        execution.status, execution.duration_ms = Status.FAILED, _duration_ms(execution)
        errors.record(execution, failure)
    if ledger.conclude(execution, None) and not late:
        keeping.keep_sealed(execution, sealed)


def _duration_ms(execution: Execution) -> int:
    return round((datetime.now(UTC) - execution.created_at).total_seconds() * 1000)


def _end_wait(row: Delivery) -> Execution | None:
    """Its execution, locked; None where it is no longer one that waits. What becomes of it later is asked for still."""
    row.due_at, row.look_at = None, _next_look(row, datetime.now(UTC))
    row.save(update_fields=["due_at", "look_at"])
    waiting = Execution.objects.for_tenant(row.tenant_id).filter(
        pk=row.execution_id, status=Status.RUNNING, lease_until__isnull=True
    )
    found: Execution | None = waiting.select_for_update().first()
    return found
