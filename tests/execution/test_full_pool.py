"""Every connection of the pool is lent: a request is told so within the pool's two seconds."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connections

from tests.execution.conftest import ProviderServer
from tests.make import Api, sms

NUMBER = "+14155552671"
POOL_SECONDS = 2.0  # As in production.


@pytest.fixture
def lent(live: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """All connections but none, until the event is set."""
    pool = connections["default"].pool  # type: ignore[attr-defined]
    monkeypatch.setattr(pool, "timeout", POOL_SECONDS)
    connections["default"].close()
    held, released = Barrier(pool.max_size + 1, timeout=10), Event()

    def hold(_: int) -> None:
        with pool.connection():
            held.wait()
            released.wait(30)

    with ThreadPoolExecutor(pool.max_size) as holders:
        for number in range(pool.max_size):
            holders.submit(hold, number)
        held.wait()
        yield released
        released.set()


def asked(live: Api, number: int) -> tuple[Any, float]:
    began = time.monotonic()
    try:
        return live.post("/execute", sms(NUMBER)), time.monotonic() - began
    finally:
        connections.close_all()


@pytest.mark.slow
def test_it_is_said_in_two_seconds_to_all_of_them_and_nothing_is_sent(
    live: Api, lent: Event, server: ProviderServer
) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: asked(live, number), range(16)))
    for answer, seconds in answers:
        body = answer.json()
        assert (answer.status_code, body["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED")
        assert int(answer["Retry-After"]) == body["retryAfter"] >= 1
        assert seconds < 2 * POOL_SECONDS, "Somebody has waited twice."
    assert server.received == []
    lent.set()
    assert asked(live, 0)[0].status_code == 200
