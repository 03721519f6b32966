"""The durable statements: what is committed before a provider is called, and what after.

Each function is one short transaction. Plain SQL, since quota, execution and attempt are one statement: either all
three stand before the call, or nothing does and nothing is sent.
"""

import json
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection

from integrationhub.core.ids import new_id
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import run_in_scope, tenant_scope
from integrationhub.execution.models import Attempt, Execution, Status
from integrationhub.idempotency import answers
from integrationhub.outbox import posting
from marketplace import quotas
from marketplace.errors import QuotaExceeded

RUN_TASK = "integrationhub.execution.tasks.run_execution"
# What a run may take beyond its own deadline before it is taken for dead.
LEASE_MARGIN_SECONDS = 10
# One attempt and what is written after it.
ATTEMPT_LEASE_SECONDS = 20
# How long a queued execution waits for a worker before its message is posted again for the first time.
QUEUE_LEASE_SECONDS = 10

# Between the tries to write down how an execution ended, in seconds.
PAUSES = (0.2, 0.5, 1.0, 2.0)

FREE = """
SELECT coalesce(
    (SELECT used FROM marketplace_usage WHERE tenant_id = %(tenant_id)s AND period = %(period)s), 0
) AS used WHERE {condition}
"""
IS_CLAIMED = "EXISTS (SELECT FROM idempotency_storedanswer WHERE id = %(claim_id)s AND tenant_id = %(tenant_id)s)"
FREE_AGAIN = """
DELETE FROM idempotency_storedanswer WHERE id = %(claim_id)s AND tenant_id = %(tenant_id)s
  AND NOT EXISTS (SELECT FROM execution_execution WHERE id = %(id)s AND tenant_id = %(tenant_id)s)
"""

OPEN = """
WITH quota AS ({quota}),
execution AS (
    INSERT INTO execution_execution (id, tenant_id, request_id, subject, category, intent, mode, status, options,
        sealed_payload, quota_period, provider_key, fallback_used, reference, result, skipped, error_code,
        error_message, error_details, lease_until, created_at, takes)
    SELECT %(id)s, %(tenant_id)s, %(request_id)s, %(subject)s, %(category)s, %(intent)s, %(mode)s, %(status)s,
        %(options)s, %(sealed_payload)s, %(quota_period)s, '', false, '', '{{}}', %(skipped)s, '', '', '{{}}',
        now() + make_interval(secs => %(lease_seconds)s), %(created_at)s, 0
    FROM quota
)
"""
FIRST_ATTEMPT = """, attempt AS (
    INSERT INTO execution_attempt (id, tenant_id, execution_id, sequence, provider_key, outcome, outcome_class, reason,
        code, message, retryable)
    SELECT %(attempt_id)s, %(tenant_id)s, %(id)s, 1, %(provider_key)s, 'started', '', '', '', '', false FROM quota
    RETURNING started_at
)
SELECT quota.used, attempt.started_at FROM quota, attempt
"""
NO_ATTEMPT = "SELECT quota.used, NULL FROM quota"

# Only who still holds the execution may begin: the row is locked and its lease renewed before the attempt is written,
# so that a worker that stalled beyond its lease finds no row and sends nothing.
BEGIN_ATTEMPT = """
WITH {before}held AS (
    UPDATE execution_execution SET lease_until = greatest(lease_until, now() + make_interval(secs => %(lease_seconds)s))
    WHERE id = %(execution_id)s AND tenant_id = %(tenant_id)s AND status = 'running' AND takes = %(takes)s
    RETURNING id
)
INSERT INTO execution_attempt (id, tenant_id, execution_id, sequence, provider_key, outcome, outcome_class, reason,
    code, message, retryable)
SELECT %(next_id)s, %(tenant_id)s, held.id, %(next_sequence)s, %(next_provider)s, 'started', '', '', '', '', false
FROM held
RETURNING started_at
"""
END_ATTEMPT = """ended AS (
UPDATE execution_attempt
SET outcome = %(outcome)s, outcome_class = %(outcome_class)s, reason = %(reason)s, code = %(code)s,
    message = %(message)s, upstream_status = %(upstream_status)s, retryable = %(retryable)s, latency_ms = %(latency_ms)s
WHERE id = %(attempt_id)s AND tenant_id = %(tenant_id)s
)"""
# An execution that was taken for dead while its last call was still out is told the truth when the call returns.
CONCLUDE = """{before}
UPDATE execution_execution
SET status = %(status)s, provider_key = %(provider_key)s, fallback_used = %(fallback_used)s, reference = %(reference)s,
    result = %(result)s, skipped = %(skipped)s, error_code = %(error_code)s, error_message = %(error_message)s,
    error_details = %(error_details)s, sealed_payload = NULL, lease_until = NULL, finished_at = now(),
    duration_ms = %(duration_ms)s
WHERE id = %(execution_id)s AND tenant_id = %(tenant_id)s AND status IN ('running', 'unknown') AND takes = %(takes)s
RETURNING id
"""
TAKE = """
UPDATE execution_execution
SET status = 'running', takes = takes + 1, lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(execution_id)s AND tenant_id = %(tenant_id)s AND status = 'queued'
"""


class KeyTaken(Exception):
    """Another request took the Idempotency-Key between our look and our claim."""


class LeaseLost(Exception):
    """The execution was taken for dead meanwhile: it is another worker's, or settled. Nothing may be sent for it."""


def open_running(execution: Execution, first: Attempt, key: answers.Key | None, *, seconds: float) -> int:
    """Reserve a unit, write the execution and its first attempt; returns the units used this month.

    `seconds` is the deadline of the run. Raises QuotaExceeded or KeyTaken; then nothing is stored.
    """
    parameters = {"attempt_id": first.id, "provider_key": first.provider_key}
    used, first.started_at = _open(execution, key, seconds + LEASE_MARGIN_SECONDS, FIRST_ATTEMPT, parameters)
    return int(used)


def open_queued(execution: Execution, key: answers.Key | None, answer: answers.Answer) -> int:
    """The same for a run that a worker will do: unit, queued execution, message and stored answer at once."""
    with tenant_scope(execution.tenant_id):
        used, _ = _open(execution, key, QUEUE_LEASE_SECONDS, NO_ATTEMPT, {})
        if key:
            answers.store(key, answer)
        post_run(execution)
        return int(used)


def post_run(execution: Execution) -> None:
    """Ring for a worker; inside the caller's `tenant_scope`."""
    posting.post(
        tenant_id=execution.tenant_id,
        task=RUN_TASK,
        queue="execute",
        request_id=execution.request_id,
        execution_id=str(execution.id),
    )


def take(tenant_id: UUID, execution_id: UUID, lease_seconds: float) -> Execution | None:
    """A queued execution, now this worker's; None when another has it or it is done."""
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(TAKE, {"execution_id": execution_id, "tenant_id": tenant_id, "lease_seconds": lease_seconds})
        if cursor.rowcount == 0:
            return None
        return Execution.objects.for_tenant(tenant_id).get(pk=execution_id)


def begin_attempt(execution: Execution, attempt: Attempt, ended: Attempt | None = None) -> None:
    """Commit the end of one attempt and the start of the next, before the next provider is called. Raises LeaseLost."""
    [begun] = run_in_scope(
        attempt.tenant_id,
        BEGIN_ATTEMPT.format(before=f"{END_ATTEMPT}, " if ended else ""),
        **(_end_of(ended) if ended else {}),
        next_id=attempt.id,
        execution_id=execution.id,
        takes=execution.takes,
        lease_seconds=ATTEMPT_LEASE_SECONDS,
        next_sequence=attempt.sequence,
        next_provider=attempt.provider_key,
    )
    if not begun:
        raise LeaseLost
    [(attempt.started_at,)] = begun


def conclude(execution: Execution, last: Attempt | None) -> bool:
    """Commit the end of the last attempt and of the execution; False when it is no longer this run's to end.

    What came of it is known and may be told nowhere else, so a database that is away is waited for, for a few seconds.
    """
    statement = CONCLUDE.format(before=f"WITH {END_ATTEMPT}" if last else "")
    parameters = _end_of(last) if last else {}
    parameters |= {
        "execution_id": execution.id,
        "takes": execution.takes,
        "status": execution.status,
        "provider_key": execution.provider_key,
        "fallback_used": execution.fallback_used,
        "reference": execution.reference,
        "result": json.dumps(execution.result),
        "skipped": json.dumps(execution.skipped),
        "error_code": execution.error_code,
        "error_message": execution.error_message,
        "error_details": json.dumps(execution.error_details),
        "duration_ms": execution.duration_ms,
    }
    [ended] = _insisted(execution.tenant_id, statement, parameters)
    return bool(ended)


def _insisted(tenant_id: UUID, statement: str, parameters: dict[str, Any]) -> list[list[tuple[Any, ...]]]:
    """Run a statement that may be run twice, again when the connection to the database broke."""
    for pause in PAUSES:
        try:
            return run_in_scope(tenant_id, statement, **parameters)
        except OperationalError:
            if connection.in_atomic_block:
                raise
            connection.close()
            time.sleep(pause)
    return run_in_scope(tenant_id, statement, **parameters)


def _open(
    execution: Execution, key: answers.Key | None, lease_seconds: float, tail: str, more: dict[str, Any]
) -> Sequence[Any]:
    """One trip, one transaction: claim the key if there is one, and open the execution if the key was free.

    A key that was claimed for an execution that the quota then refused is free again.
    """
    limits = quotas.limits_of(execution.tenant_id)
    period = quotas.period_of(execution.created_at)
    reserve = quotas.RESERVE_SQL if execution.quota_period else FREE
    opening = OPEN.format(quota=reserve.format(condition=IS_CLAIMED if key else "true")) + tail
    parameters: dict[str, Any] = {
        "id": execution.id,
        "request_id": execution.request_id,
        "subject": execution.subject,
        "created_at": execution.created_at,
        "category": execution.category,
        "intent": execution.intent,
        "mode": execution.mode,
        "status": execution.status,
        "options": json.dumps(execution.options),
        "sealed_payload": execution.sealed_payload,
        "quota_period": execution.quota_period,
        "period": period,
        "quota": limits.monthly_quota,
        "skipped": json.dumps(execution.skipped),
        "lease_seconds": lease_seconds,
    }
    claimed: Sequence[Any] = ()
    if key:
        parameters |= answers.claiming(key, claim_id=new_id(), execution_id=execution.id)
        claimed, opened, _ = run_in_scope(execution.tenant_id, answers.CLAIM, opening, FREE_AGAIN, **parameters, **more)
    else:
        [opened] = run_in_scope(execution.tenant_id, opening, **parameters, **more)
    if key and not claimed:
        raise KeyTaken
    if not opened:
        raise QuotaExceeded(
            f"The {limits.monthly_quota} executions of tier {limits.tier} are used up for this month.",
            tier=limits.tier,
            quota=limits.monthly_quota,
            resets_at=moment(quotas.resets_at(period)),
        )
    return opened[0]


def _end_of(attempt: Attempt) -> dict[str, Any]:
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
