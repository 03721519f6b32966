"""What a tenant's tier allows: requests a minute, and executions a month."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import F, Sum

from integrationhub.core.memory import ShortMemory
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from marketplace.errors import QuotaExceeded
from marketplace.models import Subscription, Tier, Usage

FIRST_TIER = "free"
# Operators edit the rows; these are what an installation starts with: key, name, executions a month, requests a minute.
TIERS = (("free", "Free", 1_000, 60), ("pro", "Pro", 100_000, 600), ("enterprise", "Enterprise", None, 6_000))


@dataclass(frozen=True, slots=True)
class Limits:
    """A tenant's tier. `monthly_quota` is None where there is no limit."""

    tier: str
    requests_per_minute: int
    monthly_quota: int | None


@dataclass(frozen=True, slots=True)
class MonthlyUsage:
    """Executions of the current month. `quota` and `remaining` are None where there is no limit."""

    tier: str
    quota: int | None
    used: int
    remaining: int | None
    period: date
    resets_at: datetime


_limits: ShortMemory[UUID, Limits] = ShortMemory(seconds=5, capacity=10_000)


def limits_of(tenant_id: UUID) -> Limits:
    """The tenant's limits, at most five seconds old. A tenant that has no tier is given the first one."""
    if (known := _limits.get(tenant_id)) is not None:
        return known
    with tenant_scope(tenant_id):
        subscriptions = Subscription.objects.for_tenant(tenant_id).select_related("tier")
        if (subscription := subscriptions.first()) is None:
            subscribe(tenant_id, FIRST_TIER)
            subscription = subscriptions.get()
    tier = subscription.tier
    limits = Limits(tier.key, tier.requests_per_minute, tier.monthly_quota)
    _limits.put(tenant_id, limits)
    return limits


def reserve(tenant_id: UUID, period: date) -> int:
    """Take one unit, in the caller's `tenant_scope`; returns the units used. Raises QuotaExceeded."""
    limits = limits_of(tenant_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT hub_reserve_unit(%s, %s, %s)", [tenant_id, period, limits.monthly_quota])
        (used,) = cursor.fetchone()
    if used is None:
        raise exceeded(limits, period)
    return int(used)


def exceeded(limits: Limits, period: date) -> QuotaExceeded:
    return QuotaExceeded(
        f"The {limits.monthly_quota} executions of tier {limits.tier} are used up for this month.",
        tier=limits.tier,
        quota=limits.monthly_quota,
        resets_at=moment(resets_at(period)),
    )


def subscribe(tenant_id: UUID, tier: str) -> None:
    """Put a tenant that has no tier on one of `TIERS`; one that has a tier keeps it."""
    add_missing_tiers()
    with tenant_scope(tenant_id):
        Subscription.objects.bulk_create([Subscription(tenant_id=tenant_id, tier_id=tier)], ignore_conflicts=True)


def add_missing_tiers() -> None:
    Tier.objects.bulk_create(
        [
            Tier(key=key, name=name, monthly_quota=quota, requests_per_minute=requests)
            for key, name, quota, requests in TIERS
        ],
        ignore_conflicts=True,
    )


def period_of(moment: datetime) -> date:
    """The month that an execution at this moment counts in: its first day, UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def resets_at(period: date) -> datetime:
    """When the month after `period` begins, and its quota with it."""
    return datetime(period.year + period.month // 12, period.month % 12 + 1, 1, tzinfo=UTC)


def usage(tenant_id: UUID) -> MonthlyUsage:
    """What the tenant has used of this month's quota."""
    limits, period = limits_of(tenant_id), period_of(datetime.now(UTC))
    with tenant_scope(tenant_id):
        counted = Usage.objects.for_tenant(tenant_id).filter(period=period).aggregate(used=Sum("used"))
    used, quota = int(counted["used"] or 0), limits.monthly_quota
    remaining = None if quota is None else max(0, quota - used)
    return MonthlyUsage(limits.tier, quota, used, remaining, period, resets_at(period))


def release(tenant_id: UUID, period: date) -> None:
    """Give one unit back, for an execution that was counted and never started."""
    with tenant_scope(tenant_id):
        counted = Usage.objects.for_tenant(tenant_id).filter(period=period, used__gt=0)
        if fullest := counted.order_by("-used").select_for_update().first():
            counted.filter(part=fullest.part).update(used=F("used") - 1)
