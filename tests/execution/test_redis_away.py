"""`/execute` while Redis hangs, is gone and is back: as many answers as ever, and three of them late."""

import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from integrationhub.core import throttling, valkey_client
from marketplace import quotas
from marketplace.models import Tier
from tests.core.proxies import Proxy, redis_behind_a_proxy
from tests.execution.conftest import ProviderServer
from tests.launcher.running import eventually
from tests.make import Api, sms

NUMBER = "+14155552671"
LIMIT = 100_000
THREADS = 16


@pytest.fixture(autouse=True)
def redis(settings: Any, monkeypatch: pytest.MonkeyPatch, live: Api) -> Iterator[Proxy]:
    monkeypatch.setattr(throttling, "local_windows", throttling.LocalWindows())
    Tier.objects.filter(key="free").update(requests_per_minute=LIMIT, monthly_quota=None)
    quotas._limits.clear()
    settings.WEB_WORKERS = 2
    with redis_behind_a_proxy(settings) as proxy:
        yield proxy


def execute(live: Api) -> tuple[Any, float]:
    started = time.monotonic()
    return live.post("/execute", sms(NUMBER)), time.monotonic() - started


def limit_told(live: Api) -> int:
    return int(live.get("/usage")["X-RateLimit-Limit"])


def usual(live: Api) -> float:
    """The middle of ten, without the first."""
    execute(live)
    return statistics.median(execute(live)[1] for _ in range(10))


def test_a_hanging_redis_delays_three_tenths_of_a_second_in_all(
    live: Api, redis: Proxy, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_client, "presence", valkey_client.Presence(seconds=60))
    before = usual(live)
    redis.mode = "hang"
    answers = [execute(live) for _ in range(20)]
    assert {answer.status_code for answer, _ in answers} == {200}
    assert len(server.received) == 31
    assert redis.unanswered == 3, "a tenth of a second is waited for each"
    assert statistics.median(seconds for _, seconds in answers) < before + 0.08
    assert sum(seconds for _, seconds in answers) < 5


def test_a_redis_that_is_gone_delays_nothing(live: Api, redis: Proxy) -> None:
    before = usual(live)
    redis.mode = "close"
    redis.drop()
    answers = [execute(live) for _ in range(10)]
    assert {answer.status_code for answer, _ in answers} == {200}
    assert statistics.median(seconds for _, seconds in answers) < before + 0.08
    assert limit_told(live) == LIMIT // 2


@pytest.mark.slow
def test_sixteen_threads_see_it_go_and_come_back_and_fail_nothing(live: Api, redis: Proxy) -> None:
    ended, told = threading.Event(), []

    def keep_on(_: int) -> None:
        while not ended.is_set():
            began = time.monotonic()
            answer = live.get("/usage")
            told.append((began, time.monotonic() - began, answer.status_code, int(answer["X-RateLimit-Limit"])))
            connections.close_all()

    def is_back() -> bool:
        # A thread that a busy machine kept waiting for a tenth of a second goes by its own count for that once.
        return [limit for began, _, _, limit in told[-200:] if began > back].count(LIMIT) > 160

    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(THREADS):
            pool.submit(keep_on, number)
        time.sleep(1)
        redis.mode, went = "hang", time.monotonic()
        time.sleep(2)
        redis.mode, back = "pass", time.monotonic()
        try:
            eventually(is_back, seconds=30, what="nearly all go by its count again")
        finally:
            ended.set()
    assert {status for _, _, status, _ in told} == {200}
    # The three tries are over after half a second; from then on nobody waits, until somebody finds it back.
    calm = [seconds for began, seconds, _, _ in told if began < went]
    away = [seconds for began, seconds, _, limit in told if went + 0.6 < began < back]
    assert sorted(away)[len(away) // 2] < sorted(calm)[len(calm) // 2] + 0.05
    assert {limit for began, _, _, limit in told if went + 0.6 < began < back} == {LIMIT // 2}
    assert {limit for _, _, _, limit in told} == {LIMIT, LIMIT // 2}
