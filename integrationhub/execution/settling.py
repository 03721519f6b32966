"""Executions left behind: a queued one that no worker took, a running one whose process died.

An attempt that was started may have reached its provider, so it is never repeated: it becomes `unknown`, and its
execution with it. An execution without an attempt has sent nothing and may safely be queued again.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.db import connections
from django.db.models.functions import Now

from integrationhub.core import catalogue
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from integrationhub.execution import awaiting, errors, keeping, ledger, queueing
from integrationhub.execution.models import Attempt, Execution, Outcome, Status
from integrationhub.execution.order import ACCEPTED
from integrationhub.idempotency.answers import LIFETIME
from integrationhub.idempotency.models import StoredAnswer
from integrationhub.outbox.models import OutboxMessage, State

log = structlog.get_logger(__name__)

BATCH = 500
LEFT_BEHIND = """
SELECT tenant_id, id FROM execution_execution
WHERE status IN ('queued', 'running') AND lease_until < now() ORDER BY status DESC, lease_until LIMIT %s
"""  # Those that ran come first: a long queue must not keep them waiting.
# A run that was begun so often and never came to its first attempt ends its workers: an operator may try it again.
MOST_TAKES = 5
# A message that was lost is soon posted again; while a long queue is worked off, each of it seldom is.
LONGEST_WAIT = timedelta(minutes=5)

_settled_lately: ShortMemory[bool, bool] = ShortMemory(seconds=10, capacity=1)
_rang_lately: ShortMemory[bool, bool] = ShortMemory(seconds=1, capacity=1)


def settle() -> int:
    """Settle what was left behind, across tenants; returns how many rows were settled."""
    awaiting.ring_for_looks()
    with connections["system"].cursor() as cursor:
        cursor.execute(LEFT_BEHIND, [BATCH])
        rows = cursor.fetchall()
    return sum(_settled(tenant_id, execution_id) for tenant_id, execution_id in rows)


def settle_when_due() -> None:
    """Settle unless this process has done so within the last ten seconds; deliveries that are due, the last second."""
    if _rang_lately.get(True) is None:
        _rang_lately.put(True, True)
        awaiting.ring_for_looks()
    if _settled_lately.get(True) is None:
        _settled_lately.put(True, True)
        settle()


def _settled(tenant_id: UUID, execution_id: UUID) -> bool:
    try:
        return _settle_one(tenant_id, execution_id)
    except Exception:
        # The boundary of one row: what cannot be settled must not keep the others waiting.
        log.exception("An execution could not be settled.", execution_id=str(execution_id))
        return False


def _settle_one(tenant_id: UUID, execution_id: UUID) -> bool:
    """One row, locked: of two sweepers one finds it, and who still runs it cannot begin an attempt meanwhile."""
    with tenant_scope(tenant_id):
        left_behind = Execution.objects.for_tenant(tenant_id).filter(
            pk=execution_id, status__in=[Status.QUEUED, Status.RUNNING], lease_until__lt=Now()
        )
        execution = left_behind.select_for_update(skip_locked=True).first()
        if execution is None:
            return False
        attempts = Attempt.objects.for_tenant(tenant_id).filter(execution_id=execution_id)
        if attempts.exists() and _is_to_go_on(execution, attempts):
            awaiting.ring_to_go_on(execution)
        elif attempts.exists():
            _give_up(execution, attempts.filter(outcome=Outcome.STARTED))
        elif execution.status == Status.RUNNING and execution.takes and execution.takes % MOST_TAKES == 0:
            _bury(execution)
        else:
            _queue_again(execution)
        return True


def _is_to_go_on(execution: Execution, attempts: TenantQuerySet) -> bool:
    """Whether its message did not come far enough, and no worker has called the next provider yet."""
    is_awaited = execution.options.get("success_status", ACCEPTED) != ACCEPTED
    return is_awaited and execution.takes < MOST_TAKES * 2 and not attempts.filter(outcome=Outcome.STARTED).exists()


def _queue_again(execution: Execution) -> None:
    execution.status = Status.QUEUED
    first_wait = timedelta(seconds=ledger.QUEUE_LEASE_SECONDS)
    age = datetime.now(UTC) - execution.due_at
    execution.lease_until = Now() + max(first_wait, min(age / 2, LONGEST_WAIT))
    execution.save(update_fields=["status", "lease_until"])
    messages = OutboxMessage.objects.for_tenant(execution.tenant_id).filter(execution_id=str(execution.id))
    # While the broker is away, one message is enough.
    if not any(messages.filter(state=state).exists() for state in (State.WAITING, State.SCHEDULED)):
        ledger.post_run(execution)


def _bury(execution: Execution) -> None:
    message = "Every worker that took this execution ended before it could begin. Nothing was sent."
    queueing.bury(execution, errors.ExecutionFailed(message, reason="never_started", retryable=True))
    log.error("An execution ended every worker that took it; it is dead.", execution_id=str(execution.id))


def _give_up(execution: Execution, started: TenantQuerySet) -> None:
    failure = errors.outcome_unknown(
        "The process that ran this execution ended in mid-call; whether the provider acted is not known."
    )
    started.update(
        outcome=Outcome.UNKNOWN,
        outcome_class="ambiguous",
        reason="process_ended",
        code=catalogue.EXECUTION_FAILED.code,
        message=failure.message,
    )
    execution.status = Status.UNKNOWN
    errors.record(execution, failure)
    sealed = execution.sealed_payload
    if ledger.conclude(execution, None):
        keeping.keep_sealed(execution, sealed)
    log.warning("An execution was left behind and is now unknown.", execution_id=str(execution.id))


def forget_old_answers() -> None:
    """Delete stored answers that no repeat can ask for any more."""
    StoredAnswer.objects.using("system").filter(created_at__lt=Now() - LIFETIME).delete()


def forget_dead_payloads() -> None:
    """Delete what executions that did not succeed would have sent, a week after their end: nobody sent it again."""
    kept = Execution.objects.using("system").filter(sealed_payload__isnull=False, finished_at__isnull=False)
    kept.filter(finished_at__lt=Now() - keeping.KEPT).update(sealed_payload=None)
