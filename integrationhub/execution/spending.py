"""What an execution costs and what is left: the plan of an order, the month's usage, the quota's headers."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError

from integrationhub.core.representation import moment
from integrationhub.execution import admission, executor, listing
from integrationhub.execution.circuits import Refusal
from integrationhub.execution.models import Mode
from integrationhub.execution.order import Order
from integrationhub.execution.routing import Chain, Skipped
from marketplace import quotas


def plan(order: Order) -> dict[str, Any]:
    """The chain that an order would take and the quota left. Raises what `executor.prepare` raises."""
    chain = executor.prepare(order).chain
    left_alone = _left_alone(order, chain)
    tried = [step.provider_key for step in chain.steps if step.provider_key not in left_alone]
    return {
        "intent": order.intent.name,
        "mode": chain.mode,
        "strategy": chain.strategy,
        "chain": [{"position": position, "provider_key": key} for position, key in enumerate(tried, start=1)],
        "skipped": [
            *(skipped.shown() for skipped in chain.skipped),
            *(Skipped(key, refusal.reason).shown() for key, refusal in left_alone.items()),
        ],
        "quota": _quota(quotas.usage(order.tenant_id)),
    }


def _left_alone(order: Order, chain: Chain) -> dict[str, Refusal]:
    """The providers of the chain that would not be called now."""
    is_live = chain.mode == Mode.LIVE
    found = {
        step.provider_key: admission.look(order.tenant_id, order.intent.name, step, is_live=is_live)
        for step in chain.steps
    }
    return {key: refusal for key, refusal in found.items() if refusal}


def usage(tenant_id: UUID, *, subject: str | None) -> dict[str, Any]:
    """The month so far. `subject` narrows the figures per provider to one caller's own executions."""
    month = quotas.usage(tenant_id)
    since = datetime(month.period.year, month.period.month, 1, tzinfo=UTC)
    return {
        **_quota(month),
        "period": month.period.isoformat(),
        "rate_limit": {"requests_per_minute": quotas.limits_of(tenant_id).requests_per_minute},
        "scope": "tenant" if subject is None else "own",
        "providers": listing.per_provider(tenant_id=tenant_id, since=since, subject=subject),
    }


def headers(tenant_id: UUID, used: int | None) -> dict[str, str]:
    """`X-Quota-*`: limit and remaining in executions (`unlimited` where the tier has none), reset in epoch seconds.

    `used` is asked for where it is not known; a database that is away leaves the headers out.
    """
    try:
        month = quotas.usage(tenant_id) if used is None else None
        quota = quotas.limits_of(tenant_id).monthly_quota
    except DatabaseError:
        return {}
    spent = month.used if month else used or 0
    resets = quotas.resets_at(quotas.period_of(datetime.now(UTC)))
    return {
        "X-Quota-Limit": "unlimited" if quota is None else str(quota),
        "X-Quota-Remaining": "unlimited" if quota is None else str(max(0, quota - spent)),
        "X-Quota-Reset": str(int(resets.timestamp())),
    }


def _quota(month: quotas.MonthlyUsage) -> dict[str, Any]:
    return {
        "tier": month.tier,
        "quota": month.quota,
        "used": month.used,
        "remaining": month.remaining,
        "resets_at": moment(month.resets_at),
    }
