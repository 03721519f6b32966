import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection
from django.db.models import Sum
from pytest_django import DjangoAssertNumQueries

from integrationhub.core.tenancy import tenant_scope
from marketplace import quotas
from marketplace.models import Subscription, Tier, Usage

MONTH = date(2026, 11, 1)
PARTS = 16


def reserve(tenant: UUID, quota: int | None, period: date = MONTH) -> int | None:
    """One unit, as the execution's own statement takes it; None when there is none left."""
    with tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute("SELECT hub_reserve_unit(%s, %s, %s)", [tenant, period, quota])
        (used,) = cursor.fetchone()
    return used


def reserve_in_a_thread(tenant: UUID, quota: int | None) -> int | None:
    try:
        return reserve(tenant, quota)
    finally:
        connection.close()


def reserve_beside(tenant: UUID, part: int) -> int | None:
    """A unit taken over a connection that counts in another part than this one."""
    for _ in range(PARTS + 1):
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as server:
            if server.info.backend_pid % PARTS != part:
                server.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant)])
                row = server.execute("SELECT hub_reserve_unit(%s, %s, NULL)", [tenant, MONTH]).fetchone()
                return row[0] if row else None
    raise AssertionError("Every connection counts in the same part.")


def used(tenant: UUID) -> int:
    with tenant_scope(tenant):
        return int(Usage.objects.for_tenant(tenant).filter(period=MONTH).aggregate(all=Sum("used"))["all"])


def fill(tenant: UUID, quota: int, free: Mapping[int, int]) -> None:
    """Every part has counted its share of the quota, but for so many units in these."""
    shares = {part: quota // PARTS + (part < quota % PARTS) for part in range(PARTS)}
    with tenant_scope(tenant):
        Usage.objects.bulk_create(
            Usage(tenant_id=tenant, period=MONTH, part=part, used=share - free.get(part, 0))
            for part, share in shares.items()
        )


def test_units_are_counted_up_to_the_quota_and_not_beyond() -> None:
    tenant = uuid4()
    assert [reserve(tenant, 3) for _ in range(5)] == [1, 2, 3, None, None]
    assert used(tenant) == 3


def test_a_quota_of_nothing_refuses_the_first_unit_too(tenant: UUID) -> None:
    assert reserve(tenant, 0) is None


def test_without_a_quota_units_are_still_counted(tenant: UUID) -> None:
    assert [reserve(tenant, None) for _ in range(3)] == [1, 2, 3]


def test_each_month_counts_by_itself(tenant: UUID) -> None:
    reserve(tenant, 1)
    assert reserve(tenant, 1, date(2026, 12, 1)) == 1


@pytest.mark.parametrize("already_used", [0, 4])
def test_of_twenty_that_race_for_the_last_unit_one_gets_it(tenant: UUID, already_used: int) -> None:
    for _ in range(already_used):
        reserve(tenant, None)
    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda _: reserve_in_a_thread(tenant, already_used + 1), range(20)))
    assert [unit for unit in got if unit] == [already_used + 1]
    assert used(tenant) == already_used + 1


@pytest.mark.parametrize("part", [0, 7, 15])
def test_the_last_unit_is_found_in_whatever_part_of_the_count_it_is(tenant: UUID, part: int) -> None:
    fill(tenant, 1000, {part: 1})
    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda _: reserve_in_a_thread(tenant, 1000), range(20)))
    assert [unit for unit in got if unit] == [1000]
    assert used(tenant) == 1000


@pytest.mark.parametrize("quota", [1, 5, 16, 23])
def test_of_forty_that_race_for_a_whole_quota_just_so_many_pass(tenant: UUID, quota: int) -> None:
    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda _: reserve_in_a_thread(tenant, quota), range(40)))
    assert (len([unit for unit in got if unit]), used(tenant)) == (quota, quota)


def test_of_twenty_that_race_after_the_quota_was_lowered_just_the_rest_pass(tenant: UUID) -> None:
    fill(tenant, 1000, {part: 62 for part in range(8)})
    left = 3
    lowered = used(tenant) + left
    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda _: reserve_in_a_thread(tenant, lowered), range(20)))
    assert (len([unit for unit in got if unit]), used(tenant)) == (left, lowered)


def test_a_quota_that_was_raised_is_not_passed_by_who_still_counts_by_the_old_one(tenant: UUID) -> None:
    for _ in range(20):
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda turn: reserve_in_a_thread(tenant, 3 + turn % 2), range(20)))
        assert used(tenant) == 4
        with tenant_scope(tenant):
            Usage.objects.for_tenant(tenant).delete()


def test_a_unit_given_back_while_a_lowered_quota_is_counted_is_given_out_once(tenant: UUID) -> None:
    with tenant_scope(tenant):
        Usage.objects.bulk_create(
            Usage(tenant_id=tenant, period=MONTH, part=part, used={0: 2, 15: 0}.get(part, 1)) for part in range(PARTS)
        )
    with ThreadPoolExecutor(16) as pool:
        with tenant_scope(tenant), connection.cursor() as cursor:
            cursor.execute("UPDATE marketplace_usage SET used = used - 1 WHERE period = %s AND part = 0", [MONTH])
            waiting = [pool.submit(reserve_in_a_thread, tenant, 16) for _ in range(8)]
            time.sleep(0.3)  # Until all of them have seen a part beyond its share and wait for this one.
        late = [pool.submit(reserve_in_a_thread, tenant, 16) for _ in range(8)]
        got = [each.result() for each in (*waiting, *late)]
    assert (len([unit for unit in got if unit]), used(tenant)) == (1, 16)


def test_any_quota_that_an_operator_may_set_can_be_counted(tenant: UUID) -> None:
    assert reserve(tenant, 9_000_000_000_000_000_000) == 1


def test_executions_of_a_tenant_do_not_wait_for_one_another(tenant: UUID) -> None:
    with ThreadPoolExecutor(1) as pool, tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute("SELECT hub_reserve_unit(%s, %s, NULL), pg_backend_pid()", [tenant, MONTH])
        mine = cursor.fetchone()[1] % PARTS
        others = pool.submit(reserve_beside, tenant, mine).result(timeout=5)
    assert others == 1


def test_a_released_unit_can_be_taken_again(tenant: UUID) -> None:
    reserve(tenant, 1)
    quotas.release(tenant, MONTH)
    assert reserve(tenant, 1) == 1


def test_nothing_is_released_below_zero(tenant: UUID) -> None:
    reserve(tenant, 1)
    quotas.release(tenant, MONTH)
    quotas.release(tenant, MONTH)
    assert used(tenant) == 0


def test_a_tenant_without_a_tier_is_given_the_free_one(tenant: UUID) -> None:
    assert quotas.limits_of(tenant) == quotas.Limits("free", 60, 1000)
    with tenant_scope(tenant):
        assert Subscription.objects.for_tenant(tenant).get().tier_id == "free"


def test_a_tenant_keeps_the_tier_it_has(tenant: UUID) -> None:
    quotas.subscribe(tenant, "pro")
    quotas.subscribe(tenant, "free")
    assert quotas.limits_of(tenant) == quotas.Limits("pro", 600, 100_000)


def test_tenants_that_come_at_once_are_subscribed_once(tenant: UUID) -> None:
    def limits(_: int) -> quotas.Limits:
        try:
            return quotas.limits_of(tenant)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert {found.tier for found in pool.map(limits, range(8))} == {"free"}


def test_limits_are_asked_of_the_database_once_in_a_while(
    tenant: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    quotas.limits_of(tenant)
    with django_assert_num_queries(0):
        quotas.limits_of(tenant)


def test_operators_limits_are_not_overwritten_by_the_defaults(tenant: UUID) -> None:
    quotas.add_missing_tiers()
    Tier.objects.filter(key="free").update(requests_per_minute=7)
    quotas.add_missing_tiers()
    assert quotas.limits_of(tenant).requests_per_minute == 7


def test_usage_tells_what_is_left_and_until_when(tenant: UUID) -> None:
    period = quotas.period_of(datetime.now(UTC))
    for _ in range(2):
        reserve(tenant, None, period)
    month = quotas.usage(tenant)
    assert (month.tier, month.quota, month.used, month.remaining) == ("free", 1000, 2, 998)
    assert (month.period, month.resets_at) == (period, quotas.resets_at(period))


def test_usage_without_a_quota_leaves_no_number(tenant: UUID) -> None:
    quotas.subscribe(tenant, "enterprise")
    month = quotas.usage(tenant)
    assert (month.quota, month.used, month.remaining) == (None, 0, None)


@pytest.mark.parametrize(
    ("moment", "period", "resets_at"),
    [
        ("2026-12-31T23:59:59+00:00", date(2026, 12, 1), datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T00:30:00+01:00", date(2026, 12, 1), datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-11-22T10:00:00+00:00", date(2026, 11, 1), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_months_begin_at_midnight_utc(moment: str, period: date, resets_at: datetime) -> None:
    assert quotas.period_of(datetime.fromisoformat(moment)) == period
    assert quotas.resets_at(period) == resets_at
