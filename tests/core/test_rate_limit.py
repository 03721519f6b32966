"""The per-minute limit: exact while Redis answers, bounded while it does not, and told in every answer's headers."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from django.conf import settings as configured
from redis import Redis

from integrationhub.core import catalogue, throttling, valkey_client
from integrationhub.core.sliding_window import LocalWindows
from tests.core.envelopes import assert_envelope
from tests.core.proxies import REDIS_SECONDS, Proxy, redis_behind_a_proxy, wait_for_redis
from tests.make import Api


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(throttling, "local_windows", throttling.LocalWindows())
    valkey_client.forget()
    yield
    valkey_client.forget()


def through(settings: Any, port: int) -> None:
    real = urlsplit(configured.REDIS_URL)
    login = real.netloc.rpartition("@")[0]
    settings.REDIS_TIMEOUT_SECONDS = REDIS_SECONDS
    settings.REDIS_URL = real._replace(netloc=f"{login}@127.0.0.1:{port}" if login else f"127.0.0.1:{port}").geturl()
    valkey_client.forget()


@pytest.fixture
def proxy(settings: Any) -> Iterator[Proxy]:
    with redis_behind_a_proxy(settings) as made:
        yield made


def refusals(api: Api, count: int, path: str = "/echo") -> int:
    return [api.get(path).status_code for _ in range(count)].count(429)


def test_75_quick_requests_on_a_limit_of_60_bring_15_refusals(api: Api) -> None:
    assert refusals(api, 75) == 15


def test_75_requests_at_once_bring_15_refusals(tenant: UUID) -> None:
    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(lambda _: throttling.decide(tenant, "requests", 60), range(75)))
    assert [decision.is_allowed for decision in decisions].count(False) == 15


def test_executions_have_a_window_and_a_code_of_their_own(api: Api) -> None:
    assert refusals(api, 60) == 0
    assert refusals(api, 60, "/executing") == 0
    assert assert_envelope(api.get("/echo"), 429)["code"] == catalogue.RATE_LIMIT_EXCEEDED.code
    assert assert_envelope(api.get("/executing"), 429)["code"] == catalogue.EXECUTION_RATE_LIMIT_EXCEEDED.code


def test_each_tenant_has_a_window_of_its_own(api: Api) -> None:
    refusals(api, 61)
    assert refusals(Api(uuid4()), 60) == 0


def test_headers_say_where_the_caller_stands(api: Api) -> None:
    first, now = api.get("/echo"), time.time()
    assert first.headers["RateLimit-Policy"] == '"requests";q=60;w=60'
    assert first.headers["RateLimit"] == '"requests";r=59;t=60'
    assert first.headers["X-RateLimit-Limit"] == "60"
    assert first.headers["X-RateLimit-Remaining"] == "59"
    assert 58 <= int(first.headers["X-RateLimit-Reset"]) - now <= 61


@pytest.mark.parametrize(("method", "status"), [("PATCH", 405), ("POST", 400)])
def test_error_after_the_sixth_check_carries_the_headers(api: Api, method: str, status: int) -> None:
    response = api.request(method, "/echo", b"{", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.headers["X-RateLimit-Remaining"]) == (status, "59")


def test_error_before_the_sixth_check_carries_none_and_counts_nothing(api: Api) -> None:
    response = api.get("/echo", headers={"x-tenant-id": "x"})
    assert "RateLimit" not in response.headers
    assert api.get("/echo").headers["X-RateLimit-Remaining"] == "59"


def test_refusal_says_when_there_is_room(api: Api) -> None:
    refusals(api, 60)
    response = api.get("/echo")
    body = assert_envelope(response, 429)
    assert 50 <= int(response.headers["Retry-After"]) == body["retryAfter"] == body["details"]["retryAfter"] <= 60
    assert response.headers["RateLimit"].startswith('"requests";r=0;t=')
    assert body["retryable"] is True


def test_tenant_without_a_limit_is_neither_counted_nor_told(api: Api, settings: Any) -> None:
    settings.TENANT_LIMITS = "tests.core.door.no_limits"
    response = api.get("/echo")
    assert response.status_code == 200
    assert "RateLimit" not in response.headers


def _move_window_back(tenant: UUID, seconds: float) -> None:
    """Make the window's counts older, as if the time had passed."""
    redis, key = Redis.from_url(configured.REDIS_URL), f"hub:rate:{tenant}:requests"
    tenths = int(seconds * 10)
    fields = {name.decode(): int(value) for name, value in redis.hgetall(key).items()}
    redis.delete(key)
    moved = {int(name) - tenths: value for name, value in fields.items() if name.isdigit()}
    redis.hset(key, mapping={"used": fields["used"], "oldest": fields["oldest"] - tenths, **moved})
    redis.close()


def take(tenant: UUID, count: int = 1) -> list[bool]:
    return [throttling.decide(tenant, "requests", 60).is_allowed for _ in range(count)]


def test_window_slides_over_the_minute_instead_of_starting_anew(tenant: UUID) -> None:
    take(tenant, 40)
    _move_window_back(tenant, 50)
    assert take(tenant, 35).count(False) == 15
    _move_window_back(tenant, 11)  # The first 40 leave; the 20 later ones still count.
    assert take(tenant, 50).count(False) == 10


def test_refused_requests_do_not_prolong_the_wait(tenant: UUID) -> None:
    take(tenant, 60)
    _move_window_back(tenant, 30)
    assert take(tenant, 20).count(True) == 0
    assert throttling.decide(tenant, "requests", 60).reset_seconds <= 30
    _move_window_back(tenant, 30)
    assert take(tenant, 60).count(True) == 60


def test_window_that_was_idle_for_long_is_empty(tenant: UUID) -> None:
    take(tenant, 60)
    _move_window_back(tenant, 3_000)
    assert take(tenant, 61).count(False) == 1


def test_cost_is_taken_as_a_whole_or_not_at_all(tenant: UUID) -> None:
    assert throttling.decide(tenant, "executions", 60, cost=59).is_allowed
    assert not throttling.decide(tenant, "executions", 60, cost=2).is_allowed
    assert throttling.decide(tenant, "executions", 60, cost=1).remaining == 0


@pytest.mark.parametrize("mode", ["hang", "close"])
def test_redis_that_fails_leaves_this_process_its_share(api: Api, proxy: Proxy, settings: Any, mode: str) -> None:
    settings.WEB_WORKERS = 2
    wait_for_redis(settings)
    assert refusals(api, 5) == 0
    wait_for_redis(settings, REDIS_SECONDS)
    proxy.mode = mode
    proxy.drop()
    started = time.monotonic()
    assert refusals(api, 45) == 15
    # Three tries of a tenth of a second; then the breaker spares the rest.
    assert time.monotonic() - started < 2.0
    assert api.get("/echo").headers["X-RateLimit-Limit"] == "30"


def test_redis_that_is_gone_slows_nobody_down(api: Api, settings: Any) -> None:
    through(settings, 1)
    started = time.monotonic()
    assert refusals(api, 10) == 0
    assert time.monotonic() - started < 1.0


def is_shared(tenant: UUID) -> bool:
    """Whether the count came from Redis: a process by itself grants a share of the limit only."""
    return throttling.decide(tenant, "requests", 60).limit == 60


def test_hanging_redis_costs_a_tenth_of_a_second_a_try(tenant: UUID, proxy: Proxy) -> None:
    proxy.mode = "hang"
    started = time.monotonic()
    assert not any(is_shared(tenant) for _ in range(5))
    assert proxy.unanswered == 3, "Then the breaker spares the others the wait."
    assert 0.3 <= time.monotonic() - started < 1.5


def test_redis_that_returns_is_used_again_after_the_pause(
    tenant: UUID, proxy: Proxy, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_redis(settings)
    monkeypatch.setattr(valkey_client, "presence", valkey_client.Presence(seconds=0.2))
    proxy.mode = "close"
    assert [is_shared(tenant) for _ in range(4)] == [False] * 4
    proxy.mode = "pass"
    assert not is_shared(tenant)
    time.sleep(0.25)
    assert is_shared(tenant)


class TestLocalWindows:
    def test_slides(self) -> None:
        windows = LocalWindows()
        assert [windows.take("a", limit=2, now=now).is_taken for now in (0, 30, 59, 60, 61, 90)] == [
            True,
            True,
            False,
            True,
            False,
            True,
        ]

    def test_says_when_the_oldest_leaves(self) -> None:
        windows = LocalWindows()
        windows.take("a", limit=1, now=10)
        assert windows.take("a", limit=1, now=25).seconds_to_room == 45

    def test_keeps_the_keys_that_were_used_last(self) -> None:
        windows = LocalWindows(most_keys=2)
        for key in ("a", "b", "a", "c"):
            windows.take(key, limit=2, now=0)
        assert not windows.take("a", limit=2, now=0).is_taken
        assert windows.take("b", limit=1, now=0).is_taken
