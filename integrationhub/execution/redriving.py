"""A dead-lettered execution, queued again by an operator."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import ledger
from integrationhub.execution.models import Execution, Status
from marketplace import quotas
from marketplace.errors import QuotaExceeded


def redrive(*, tenant_id: UUID, execution_id: UUID) -> bool:
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
            execution.quota_period = _reserved(tenant_id)
        execution.status = Status.QUEUED
        execution.dead_at = execution.finished_at = None
        execution.error_code = execution.error_message = ""
        execution.error_details = {}
        execution.lease_until = Now() + timedelta(seconds=ledger.QUEUE_LEASE_SECONDS)
        execution.save()
        ledger.post_run(execution)
        return True


def _reserved(tenant_id: UUID) -> date:
    """The current month, of whose quota a unit is now taken. Raises QuotaExceeded."""
    limits, period = quotas.limits_of(tenant_id), quotas.period_of(datetime.now(UTC))
    with connection.cursor() as cursor:
        wanted: dict[str, Any] = {"tenant_id": tenant_id, "period": period, "quota": limits.monthly_quota}
        cursor.execute(quotas.RESERVE_SQL.format(condition="true"), wanted)
        if cursor.fetchone() is None:
            raise QuotaExceeded(
                f"The {limits.monthly_quota} executions of tier {limits.tier} are used up for this month.",
                tier=limits.tier,
                quota=limits.monthly_quota,
                resets_at=moment(quotas.resets_at(period)),
            )
    return period
