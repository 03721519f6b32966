"""The durable statements: what is committed before a provider is called, and what after.

What is committed around a call is one statement, a function of the database (its migration has the SQL): key, quota,
execution and attempt stand together before the call, or nothing does and nothing is sent.
"""

import time
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import OperationalError, connection

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import call_in_scope, run_in_scope, tenant_scope
from integrationhub.execution import errors
from integrationhub.execution.models import Attempt, Execution, Status
from integrationhub.idempotency import answers
from integrationhub.outbox import posting
from marketplace import quotas

RUN_TASK = "integrationhub.execution.tasks.run_execution"
# What a run may take beyond its own deadline before it is taken for dead.
LEASE_MARGIN_SECONDS = 10
# One attempt and what is written after it.
ATTEMPT_LEASE_SECONDS = 20
# How long a queued execution waits for a worker before its message is posted again for the first time.
QUEUE_LEASE_SECONDS = 10

# Between the tries to write down what came of a call, and after which time none is begun any more, in seconds.
PAUSES = (0.2, 0.5, 1.0, 2.0)
INSIST_SECONDS = 4.0
TOO_SLOW = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)

OPEN = "hub_open_execution"
BEGIN_ATTEMPT = "hub_begin_attempt"
CONCLUDE = "hub_conclude_execution"
# A queued run that no provider may be called for now waits in the queue; it was not taken.
PUT_BACK = """
UPDATE execution_execution
SET status = 'queued', takes = takes - 1, lease_until = now() + make_interval(secs => %(seconds)s)
WHERE id = %(execution_id)s AND tenant_id = %(tenant_id)s AND status = 'running' AND takes = %(takes)s
"""
TAKE = """
UPDATE execution_execution
SET status = 'running', takes = takes + 1, lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(execution_id)s AND tenant_id = %(tenant_id)s AND status = 'queued'
"""


HOLD = "SELECT FROM execution_execution WHERE id = %(execution_id)s AND tenant_id = %(tenant_id)s FOR UPDATE"
# One that waited for its message, and whose next provider is to be called; unless a worker that was thought to be dead
# has just begun to. What that one is doing shows in the next statement only, once the row is held.
TAKE_AGAIN = """
UPDATE execution_execution
SET takes = takes + 1, lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(execution_id)s AND tenant_id = %(tenant_id)s AND status = 'running' AND lease_until IS NOT NULL
  AND takes = %(takes)s AND NOT EXISTS (
    SELECT FROM execution_attempt
    WHERE execution_id = %(execution_id)s AND tenant_id = %(tenant_id)s AND outcome = 'started')
"""
# Its next provider may not be called now: it is not taken, and rung for again when that time is over.
PUT_OFF = """
UPDATE execution_execution SET takes = takes - 1, lease_until = now() + make_interval(secs => %(seconds)s)
WHERE id = %(execution_id)s AND tenant_id = %(tenant_id)s AND status = 'running' AND takes = %(takes)s
"""


class KeyTaken(Exception):
    """Another request took the Idempotency-Key between our look and our claim."""


class LeaseLost(Exception):
    """The execution was taken for dead meanwhile: it is another worker's, or settled. Nothing may be sent for it."""


def open_running(execution: Execution, first: Attempt, key: answers.Key | None, *, seconds: float) -> int:
    """Reserve a unit, write the execution and its first attempt; returns the units used this month.

    `seconds` is the deadline of the run. Nothing is stored where it raises QuotaExceeded, KeyTaken, or InvalidRequest
    409 for a retry of what has been retried.
    """
    attempt = {"attempt_id": first.id, "provider_key": first.provider_key}
    used, first.started_at = _open(execution, key, seconds + LEASE_MARGIN_SECONDS, attempt)
    return int(used)


def open_queued(execution: Execution, key: answers.Key | None, answer: answers.Answer) -> int:
    """The same for a run that a worker will do: unit, queued execution, message and stored answer at once."""
    with tenant_scope(execution.tenant_id):
        waits = max(0.0, (execution.due_at - datetime.now(UTC)).total_seconds())
        used, _ = _open(execution, key, waits + QUEUE_LEASE_SECONDS, {})
        if key:
            answers.store(key, answer)
        post_run(execution, not_before=execution.due_at if waits else None)
        return int(used)


def post_run(execution: Execution, *, not_before: datetime | None = None) -> None:
    """Ring for a worker, now or then; inside the caller's `tenant_scope`."""
    posting.post(
        tenant_id=execution.tenant_id,
        task=RUN_TASK,
        queue="execute",
        request_id=execution.request_id,
        not_before=not_before,
        execution_id=str(execution.id),
    )


def take(tenant_id: UUID, execution_id: UUID, lease_seconds: float) -> Execution | None:
    """A queued execution, now this worker's; None when another has it or it is done."""
    return _taken(TAKE, tenant_id, execution_id, lease_seconds=lease_seconds)


def take_again(tenant_id: UUID, execution_id: UUID, takes: int, lease_seconds: float) -> Execution | None:
    """One whose message did not come far enough, after it was taken so often; None when another worker has it."""
    with tenant_scope(tenant_id):
        with connection.cursor() as cursor:
            cursor.execute(HOLD, {"execution_id": execution_id, "tenant_id": tenant_id})
        return _taken(TAKE_AGAIN, tenant_id, execution_id, lease_seconds=lease_seconds, takes=takes)


def _taken(statement: str, tenant_id: UUID, execution_id: UUID, **more: float) -> Execution | None:
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(statement, {"execution_id": execution_id, "tenant_id": tenant_id, **more})
        if cursor.rowcount == 0:
            return None
        return Execution.objects.for_tenant(tenant_id).get(pk=execution_id)


def put_back(execution: Execution, seconds: float) -> None:
    """The run that this worker took waits in the queue again, and is rung for in so many seconds."""
    run_in_scope(
        execution.tenant_id, PUT_BACK, execution_id=execution.id, takes=execution.takes, seconds=float(seconds)
    )


def put_off(execution: Execution, seconds: float) -> None:
    """The run that this worker took again waits, and is rung for by who settles what is left behind."""
    run_in_scope(execution.tenant_id, PUT_OFF, execution_id=execution.id, takes=execution.takes, seconds=float(seconds))


def begin_attempt(execution: Execution, attempt: Attempt, ended: Attempt | None = None) -> None:
    """Commit the end of one attempt and the start of the next, before the next provider is called. Raises LeaseLost."""
    [(begun_at,)] = insisted(
        attempt.tenant_id,
        BEGIN_ATTEMPT,
        {
            "ended": end_of(ended),
            "execution_id": execution.id,
            "takes": execution.takes,
            "lease_seconds": ATTEMPT_LEASE_SECONDS,
            "attempt_id": attempt.id,
            "sequence": attempt.sequence,
            "provider_key": attempt.provider_key,
        },
    )
    if begun_at is None:
        raise LeaseLost
    attempt.started_at = begun_at


def conclude(
    execution: Execution, last: Attempt | None, *, is_followed: bool = False, look_seconds: float | None = None
) -> bool:
    """Commit the end of the last attempt and of the execution; False when it is no longer this run's to end.
    `is_followed`: its provider will tell what becomes of the message, which is found by its reference then; with
    `look_seconds` it does not by itself, and is asked after so long.

    What came of it is known and may be told nowhere else, so a database that is away is waited for, for a few seconds.
    """
    told = {
        "ended": end_of(last),
        "execution_id": execution.id,
        "takes": execution.takes,
        "status": execution.status,
        "provider_key": execution.provider_key,
        "fallback_used": execution.fallback_used,
        "reference": execution.reference,
        "result": execution.result,
        "skipped": execution.skipped,
        "routing": execution.routing,
        "error_code": execution.error_code,
        "error_message": execution.error_message,
        "error_details": execution.error_details,
        "duration_ms": execution.duration_ms,
        "is_followed": is_followed and bool(execution.reference),
        "look_seconds": look_seconds,
    }
    [(is_ended,)] = insisted(execution.tenant_id, CONCLUDE, told)
    return bool(is_ended)


def insisted(tenant_id: UUID, function: str, told: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A call that may be made twice, since the second time changes nothing; made again when the connection broke.

    A server that is there and too slow has had its time: whoever waits is not kept waiting behind it.
    """
    began = time.monotonic()
    for pause in PAUSES:
        try:
            return call_in_scope(tenant_id, function, told)
        except OperationalError as error:
            if (
                isinstance(error.__cause__, TOO_SLOW)
                or connection.in_atomic_block
                or time.monotonic() - began > INSIST_SECONDS
            ):
                raise
            connection.close()
            time.sleep(pause)
    return call_in_scope(tenant_id, function, told)


def _open(
    execution: Execution, key: answers.Key | None, lease_seconds: float, attempt: dict[str, Any]
) -> tuple[int, datetime]:
    limits = quotas.limits_of(execution.tenant_id)
    period = quotas.period_of(execution.created_at)
    order: dict[str, Any] = {
        "id": execution.id,
        "request_id": execution.request_id,
        "subject": execution.subject,
        "created_at": execution.created_at,
        "category": execution.category,
        "intent": execution.intent,
        "mode": execution.mode,
        "status": execution.status,
        "options": execution.options,
        "sealed_payload": execution.sealed_payload and b64encode(execution.sealed_payload).decode(),
        "quota_period": execution.quota_period,
        "period": period,
        "quota": limits.monthly_quota,
        "skipped": execution.skipped,
        "lease_seconds": lease_seconds,
        "retry_of": execution.retry_of,
        **attempt,
    }
    if key:
        order |= answers.claiming(key, claim_id=new_id(), execution_id=execution.id)
    [(told, used, begun_at)] = call_in_scope(execution.tenant_id, OPEN, order)
    if told == "key_taken":
        raise KeyTaken
    if told == "retried_already":
        raise errors.retried_already(execution)
    if told == "quota_exceeded":
        raise quotas.exceeded(limits, execution.quota_period or period)
    return used, begun_at


def end_of(attempt: Attempt | None) -> dict[str, Any] | None:
    if attempt is None:
        return None
    return {
        "attempt_id": attempt.id,
        "outcome": attempt.outcome,
        "outcome_class": attempt.outcome_class,
        "reason": attempt.reason,
        "code": attempt.code,
        "message": attempt.message,
        "upstream_status": attempt.upstream_status,
        "retryable": attempt.retryable,
        "latency_ms": attempt.latency_ms,
    }


def is_settled(execution: Execution) -> bool:
    return execution.status not in (Status.QUEUED, Status.RUNNING)


def attempts_of(execution: Execution) -> list[Attempt]:
    """Inside the caller's `tenant_scope`."""
    rows = Attempt.objects.for_tenant(execution.tenant_id).filter(execution_id=execution.id)
    return list(rows.order_by("sequence"))
