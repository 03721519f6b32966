"""The database's pool: what a restarted, a silent and a full server cost the next requests."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connections
from psycopg_pool import PoolTimeout

from tests.core.proxies import Proxy

THREADS = 8
POOL_SECONDS = 2.0  # As in production.


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The tenants' database behind a proxy; its pool is made anew, and again after the test."""
    real = settings.DATABASES["default"]
    with Proxy((real["HOST"], int(real["PORT"] or 5432))) as proxy:
        connection = connections["default"]
        connection.close()
        connection.close_pool()
        monkeypatch.setitem(connection.settings_dict, "PORT", str(proxy.port))
        monkeypatch.setitem(connection.settings_dict["OPTIONS"]["pool"], "timeout", POOL_SECONDS)
        yield proxy
        connection.close()
        connection.close_pool()


def ask(_: int = 0) -> int:
    """One question on a borrowed connection, which is given back as at the end of a request."""
    connection = connections["default"]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


def fill(threads: int = THREADS) -> None:
    """As many connections as threads, idle afterwards."""
    together = Barrier(threads, timeout=5)

    def hold(_: int) -> None:
        connections["default"].ensure_connection()
        together.wait()
        connections["default"].close()

    at_once(hold, threads)


def at_once(what: Callable[[int], Any], count: int) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(what, range(count)))


def test_after_an_idle_restart_no_request_fails_or_waits(postgres: Proxy) -> None:
    fill()
    postgres.drop()
    time.sleep(0.05)
    started = time.monotonic()
    assert at_once(ask, 100) == [1] * 100
    assert time.monotonic() - started < 1.0


def test_one_thread_passes_all_the_connections_that_a_restart_left_behind(postgres: Proxy) -> None:
    fill()
    postgres.drop()
    time.sleep(0.05)
    started = time.monotonic()
    assert ask() == 1
    assert time.monotonic() - started < 0.5


def test_a_lent_connection_costs_the_server_no_question(postgres: Proxy) -> None:
    ask()
    postgres.mode = "hang"
    connections["default"].ensure_connection()


@pytest.mark.slow
def test_a_database_that_is_gone_is_said_within_the_pools_time(postgres: Proxy) -> None:
    fill()
    postgres.mode = "close"
    postgres.drop()
    started = time.monotonic()
    with pytest.raises((OperationalError, PoolTimeout)):
        ask()
    assert time.monotonic() - started < 2 * POOL_SECONDS


@pytest.mark.slow
def test_it_is_used_again_within_seconds_of_its_return_however_long_it_was_gone(
    postgres: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.mode = "close"
    for _ in range(2):
        with pytest.raises((OperationalError, PoolTimeout)):
            ask()
    postgres.mode = "pass"
    started = time.monotonic()
    assert ask() == 1
    assert time.monotonic() - started < POOL_SECONDS
