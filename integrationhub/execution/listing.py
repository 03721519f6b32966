"""Reading executions: one, a filtered list, and what they add up to in a month."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from integrationhub.core.ids import read_id
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from integrationhub.execution import deliveries, explaining, ledger
from integrationhub.execution.answer import represent
from integrationhub.execution.errors import execution_not_found
from integrationhub.execution.models import Attempt, Execution, Status


def get(*, tenant_id: UUID, execution_id: str) -> dict[str, Any]:
    """One execution with its attempts and what became of its message. Raises InvalidRequest 404, alike for another
    tenant's id and an unknown one."""
    with tenant_scope(tenant_id):
        execution = one(tenant_id, execution_id)
        attempts = ledger.attempts_of(execution)
        shown = {**represent(execution, attempts), "routing": explaining.explained(execution, attempts)}
        told = deliveries.shown(tenant_id, execution.id)
        return {**shown, "delivery": told} if told else shown


def one(tenant_id: UUID, execution_id: str) -> Execution:
    """The row, inside the caller's `tenant_scope`. Raises InvalidRequest 404, as `get` does."""
    mine = Execution.objects.for_tenant(tenant_id)
    execution = mine.filter(pk=wanted).first() if (wanted := read_id(execution_id)) else None
    if execution is None:
        raise execution_not_found(execution_id)
    return execution


def matching(
    *,
    tenant_id: UUID,
    status: str | None = None,
    intent: str | None = None,
    provider_key: str | None = None,
    fallback_used: bool | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> TenantQuerySet:
    """The tenant's executions, filtered by what is not None; newest first, inside the caller's `tenant_scope`."""
    wanted = {
        "status": status,
        "intent": intent,
        "provider_key": provider_key,
        "fallback_used": fallback_used,
        "created_at__gte": created_after,
        "created_at__lt": created_before,
    }
    filters = {name: value for name, value in wanted.items() if value is not None}
    return Execution.objects.for_tenant(tenant_id).filter(**filters)


def with_attempts(executions: Iterable[Execution]) -> list[dict[str, Any]]:
    """A page of executions, their attempts fetched by one query."""
    page = list(executions)
    attempts: dict[UUID, list[Attempt]] = {execution.id: [] for execution in page}
    for attempt in Attempt.objects.filter(execution_id__in=attempts).order_by("sequence"):
        attempts[attempt.execution_id].append(attempt)
    return [represent(execution, attempts[execution.id]) for execution in page]


def per_provider(*, tenant_id: UUID, since: datetime, subject: str | None) -> list[dict[str, Any]]:
    """Settled executions since then by who delivered or, failing that, by nobody; `subject` narrows to one caller."""
    with tenant_scope(tenant_id):
        mine = Execution.objects.for_tenant(tenant_id).filter(created_at__gte=since)
        if subject is not None:
            mine = mine.filter(subject=subject)
        rows = mine.values("provider_key").annotate(
            executions=Count("id"),
            fallbacks=Count("id", filter=Q(fallback_used=True)),
            failed=Count("id", filter=Q(status__in=[Status.FAILED, Status.UNKNOWN])),
        )
        return [{**row, "provider_key": row["provider_key"] or None} for row in rows.order_by("provider_key")]
