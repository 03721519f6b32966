"""A tenant is told once a month when it has used so much of its quota; of another quota anew."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, connections
from django.db.models import Q

from integrationhub.core.operators import SYSTEM
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import events
from marketplace.models import Subscription
from marketplace.quotas import period_of, resets_at

log = structlog.get_logger(__name__)

PERCENTS = (80, 100)
BATCH = 500
# Those that have come further than they were told of.
DUE = """
SELECT subscription.tenant_id, tier.key, tier.monthly_quota, counted.used
FROM marketplace_subscription AS subscription JOIN marketplace_tier AS tier ON tier.key = subscription.tier_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(used), 0)::bigint AS used FROM marketplace_usage
    WHERE tenant_id = subscription.tenant_id AND period = %(period)s) AS counted
WHERE tier.monthly_quota > 0 AND counted.used * 100 >= tier.monthly_quota * (
    CASE WHEN subscription.told_period IS DISTINCT FROM %(period)s OR subscription.told_quota <> tier.monthly_quota
              THEN %(first)s
         WHEN subscription.told_percent < %(last)s THEN %(last)s END)
LIMIT %(most)s
"""


def tell(now: datetime | None = None) -> int:
    """Write the events that are due by now, across tenants; returns how many. Of two that have passed unseen, the last.

    By schedule, and not when a unit is taken: that is done for every execution, and has to be cheap.
    """
    period, told = period_of(now or datetime.now(UTC)), 0
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(DUE, {"period": period, "first": PERCENTS[0], "last": PERCENTS[-1], "most": BATCH})
        rows = cursor.fetchall()
    for tenant_id, *counted in rows:
        told += _told(tenant_id, period, *counted)
    return told


def _told(tenant_id: UUID, period: date, tier: str, quota: int, used: int) -> bool:
    try:
        return _tell_once(tenant_id, period, tier=tier, quota=quota, used=used)
    except DatabaseError:
        # The boundary of one row, as one that is locked just now: the next run finds it, and the others go on.
        log.exception("A tenant could not be told of its usage.", tenant_id=str(tenant_id))
        return False


def _tell_once(tenant_id: UUID, period: date, *, quota: int, used: int, **said: Any) -> bool:
    """By the one that finds the row untold."""
    percent = max(each for each in PERCENTS if used * 100 >= quota * each)
    with tenant_scope(tenant_id):
        of_another = Q(told_quota__lt=quota) | Q(told_quota__gt=quota)
        untold = ~Q(told_period=period) | Q(told_period=None) | Q(told_percent__lt=percent) | of_another
        mine = Subscription.objects.for_tenant(tenant_id).filter(untold)
        if not mine.update(told_period=period, told_percent=percent, told_quota=quota):
            return False
        events.publish(
            tenant_id=tenant_id,
            kind="usage.threshold",
            percent=percent,
            used=used,
            quota=quota,
            period=period.isoformat(),
            resets_at=moment(resets_at(period)),
            **said,
        )
    return True
