"""A batch over a live provider: the quota counts each item that is begun, and four run at a time."""

import time
from uuid import UUID

from django.db import connections

from marketplace import quotas
from tests.execution.conftest import ProviderServer
from tests.flows.test_batch import batch, statuses, tier
from tests.make import Api, keyed, sms


def test_the_quota_lets_exactly_so_many_items_pass(live: Api, tenant: UUID) -> None:
    tier(tenant, quota=5)
    body = batch(*[sms("+14155552671", providers=["loopback_sms"]) for _ in range(20)])
    answer = live.post("/execute/batch", body)
    assert sorted(statuses(answer)) == [200] * 5 + [422] * 15
    assert answer["X-Quota-Remaining"] == "0"
    assert quotas.usage(tenant).used == 5


def test_four_run_at_a_time(live: Api, server: ProviderServer) -> None:
    server.delay = 0.3
    begun = time.monotonic()
    body = batch(*[sms("+14155552671", providers=["loopback_sms"]) for _ in range(8)])
    assert statuses(live.post("/execute/batch", body)) == [200] * 8
    assert 0.6 <= time.monotonic() - begun < 1.8


def test_no_connection_is_kept_while_its_providers_are_called(live: Api, server: ProviderServer) -> None:
    lent: list[int] = []

    def look() -> None:
        told = connections["default"].pool.get_stats()  # type: ignore[attr-defined]
        lent.append(told["pool_size"] - told["pool_available"])

    server.while_acting, server.delay = look, 0.5
    body = batch(*[sms("+14155552671", providers=["loopback_sms"]) for _ in range(4)])
    assert statuses(live.post("/execute/batch", body, **keyed())) == [200] * 4
    assert min(lent) == 0
