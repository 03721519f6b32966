"""A dead-lettered execution, queued again by an operator."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import ledger
from integrationhub.execution.models import Execution, Status
from marketplace import quotas


def redrive(*, tenant_id: UUID, execution_id: UUID, actor: str) -> bool:
    """Queue it once more, its unit of the quota taken anew; False when it is not dead or its payload is forgotten.

    Its takes count on, so that a worker of an earlier life which wakes up holds none of this one's. Raises
    QuotaExceeded; then nothing has changed.
    """
    with tenant_scope(tenant_id):
        dead = Execution.objects.for_tenant(tenant_id).filter(dead_at__isnull=False, sealed_payload__isnull=False)
        execution = dead.select_for_update().filter(pk=execution_id).first()
        if execution is None:
            return False
        if execution.quota_period:
            execution.quota_period = quotas.period_of(datetime.now(UTC))
            quotas.reserve(tenant_id, execution.quota_period)
        execution.status = Status.QUEUED
        execution.dead_at = execution.finished_at = None
        execution.error_code = execution.error_message = ""
        execution.error_details = {}
        execution.lease_until = Now() + timedelta(seconds=ledger.QUEUE_LEASE_SECONDS)
        execution.save()
        ledger.post_run(execution)
        about = f"execution:{execution_id}"
        trail.record(tenant_id=tenant_id, action="execution.redriven", actor=actor, about=about)
        return True
