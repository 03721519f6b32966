"""A batch over a live provider: the quota counts each item that is begun, and four run at a time."""

import threading
import time
from uuid import UUID

from django.db import connections

from marketplace import quotas
from tests.execution.conftest import ProviderServer
from tests.flows.test_batch import batch, statuses, tier
from tests.launcher.running import eventually
from tests.make import Api, keyed, sms


def test_the_quota_lets_exactly_so_many_items_pass(live: Api, tenant: UUID) -> None:
    tier(tenant, quota=5)
    body = batch(*[sms("+14155552671", providers=["loopback_sms"]) for _ in range(20)])
    answer = live.post("/execute/batch", body)
    assert sorted(statuses(answer)) == [200] * 5 + [422] * 15
    assert answer["X-Quota-Remaining"] == "0"
    assert quotas.usage(tenant).used == 5


def test_four_run_at_a_time(live: Api, server: ProviderServer) -> None:
    under_way, most, lock, four = 0, 0, threading.Lock(), threading.Barrier(4)

    def meet() -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        four.wait(20)
        time.sleep(0.2)  # A fifth, if there is one, has come by then.
        with lock:
            under_way -= 1

    server.while_acting = meet
    body = batch(*[sms("+14155552671", providers=["loopback_sms"]) for _ in range(8)])
    assert statuses(live.post("/execute/batch", body)) == [200] * 8
    assert most == 4


def test_no_connection_is_kept_while_its_providers_are_called(live: Api, server: ProviderServer) -> None:
    four, seen = threading.Barrier(4), []

    def lent() -> int:
        told = connections["default"].pool.get_stats()  # type: ignore[attr-defined]
        return int(told["pool_size"] - told["pool_available"])

    def look() -> None:
        four.wait(20)
        # A connection that is still being made counts as one that is lent.
        seen.append(eventually(lambda: lent() == 0, seconds=5, what="no connection is lent"))
        four.wait(20)

    server.while_acting = look
    body = batch(*[sms("+14155552671", providers=["loopback_sms"]) for _ in range(4)])
    assert statuses(live.post("/execute/batch", body, **keyed())) == [200] * 4
    assert len(seen) == 4
