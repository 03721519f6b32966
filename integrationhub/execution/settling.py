"""Executions left behind: a queued one that no worker took, a running one whose process died.

An attempt that was started may have reached its provider, so it is never repeated: it becomes `unknown`, and its
execution with it. An execution without an attempt has sent nothing and may safely be queued again.
"""

from uuid import UUID

import structlog
from django.db import connection, connections
from django.db.models.functions import Now

from integrationhub.core import catalogue
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import errors, ledger
from integrationhub.execution.models import Attempt, Execution, Outcome, Status
from integrationhub.idempotency.answers import LIFETIME
from integrationhub.idempotency.models import StoredAnswer

log = structlog.get_logger(__name__)

BATCH = 500
LEFT_BEHIND = """
SELECT tenant_id, id FROM execution_execution
WHERE status IN ('queued', 'running') AND lease_until < now() ORDER BY lease_until LIMIT %s
"""
# Only who moves the lease settles: two sweepers at once do the work once.
RENEW = """
UPDATE execution_execution SET status = 'queued', lease_until = now() + make_interval(secs => %s)
WHERE id = %s AND status IN ('queued', 'running') AND lease_until < now() AND sealed_payload IS NOT NULL
"""


def settle() -> int:
    """Settle what was left behind, across tenants; returns how many rows were settled."""
    with connections["system"].cursor() as cursor:
        cursor.execute(LEFT_BEHIND, [BATCH])
        rows = cursor.fetchall()
    return sum(_settle_one(tenant_id, execution_id) for tenant_id, execution_id in rows)


def _settle_one(tenant_id: UUID, execution_id: UUID) -> bool:
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        execution = (
            Execution.objects.for_tenant(tenant_id).select_for_update(skip_locked=True).filter(pk=execution_id).first()
        )
        if execution is None or ledger.is_settled(execution):
            return False
        started = Attempt.objects.for_tenant(tenant_id).filter(execution_id=execution_id)
        if not started.exists():
            cursor.execute(RENEW, [ledger.QUEUE_LEASE_SECONDS, execution_id])
            if cursor.rowcount:
                ledger.post_run(execution)
            return bool(cursor.rowcount)
        return _give_up(execution)


def _give_up(execution: Execution) -> bool:
    failure = errors.ExecutionFailed(
        "The process that ran this execution ended in mid-call; whether the provider acted is not known.",
        reason="outcome_unknown",
        retryable=False,
    )
    errors.record(execution, failure)
    Attempt.objects.for_tenant(execution.tenant_id).filter(execution_id=execution.id, outcome=Outcome.STARTED).update(
        outcome=Outcome.UNKNOWN,
        outcome_class="ambiguous",
        reason="process_ended",
        code=catalogue.EXECUTION_FAILED.code,
        message=failure.message,
    )
    changed = (
        Execution.objects.for_tenant(execution.tenant_id)
        .filter(pk=execution.id, status=Status.RUNNING, lease_until__lt=Now())
        .update(
            status=Status.UNKNOWN,
            error_code=execution.error_code,
            error_message=execution.error_message,
            error_details=execution.error_details,
            sealed_payload=None,
            lease_until=None,
            finished_at=Now(),
        )
    )
    log.warning("An execution was left behind and is now unknown.", execution_id=str(execution.id))
    return bool(changed)


def forget_old_answers() -> None:
    """Delete stored answers that no repeat can ask for any more."""
    StoredAnswer.objects.using("system").filter(created_at__lt=Now() - LIFETIME).delete()
