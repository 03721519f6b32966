"""Scripts in Redis: what they cost while it hangs, is gone, and is back, with one thread and with sixteen."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from integrationhub.core import valkey_client
from integrationhub.core.valkey_client import Presence, Script, run
from tests.core.proxies import Proxy, redis_behind_a_proxy, wait_for_redis

ECHO = Script("return ARGV[1]")
FAULTY = Script("return redis.call('NO SUCH COMMAND')")
THREADS = 16


@pytest.fixture(autouse=True)
def redis(settings: Any) -> Iterator[Proxy]:
    with redis_behind_a_proxy(settings) as proxy:
        yield proxy


def short_pause(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.2) -> None:
    monkeypatch.setattr(valkey_client, "presence", Presence(seconds=seconds))


def echo(word: str = "here") -> bool:
    return run(ECHO, [], [word]) == word.encode()


def timed(_: int = 0) -> tuple[bool, float]:
    started = time.monotonic()
    return echo(), time.monotonic() - started


def at_once(what: Callable[[int], Any]) -> list[Any]:
    together = Barrier(THREADS)

    def begin(number: int) -> Any:
        together.wait(10)
        return what(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_a_script_is_sent_once_and_named_by_its_digest_from_then_on(redis: Proxy) -> None:
    once = Script(f"return ARGV[1] -- {time.monotonic_ns()}")
    assert run(once, [], ["a"]) == b"a"
    connection = valkey_client._idle[0]
    assert run(once, [], ["b"]) == b"b"
    connection.send_command("SCRIPT EXISTS", once.digest)
    assert connection.read_response() == [1]


def test_forgotten_scripts_and_a_restarted_server_cost_no_answer(redis: Proxy, settings: Any) -> None:
    wait_for_redis(settings)
    assert all(at_once(lambda _: echo()))
    connection = valkey_client._idle[0]
    connection.send_command("SCRIPT FLUSH")
    connection.read_response()
    redis.drop()
    assert all(at_once(lambda _: echo()))
    assert not valkey_client.presence.is_away


def test_a_server_that_hangs_is_waited_for_three_times(redis: Proxy) -> None:
    redis.mode = "hang"
    times = [seconds for answered, seconds in map(timed, range(50)) if not answered]
    assert len(times) == 50
    assert redis.unanswered == 3
    assert sum(times) < 3


def test_sixteen_threads_wait_for_it_together_once_and_then_one_by_one(redis: Proxy) -> None:
    at_once(timed)
    redis.mode = "hang"
    asked = []
    for _ in range(4):
        before = redis.unanswered
        assert max(seconds for _, seconds in at_once(timed)) < 1.5, "As long as all of them one after the other."
        asked.append(redis.unanswered - before)
    assert asked[1:] == [1, 1, 0]


def test_a_hiccup_that_many_ran_into_is_one_failure(redis: Proxy) -> None:
    at_once(timed)
    redis.mode = "hang"
    at_once(timed)
    redis.mode = "pass"
    assert not valkey_client.presence.is_away
    assert echo()


def test_after_the_pause_one_thread_finds_out_and_opens_it_for_all(
    redis: Proxy, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_pause(monkeypatch)
    redis.mode = "hang"
    assert not any(echo() for _ in range(4))
    time.sleep(0.25)
    before = redis.unanswered
    at_once(timed)
    assert redis.unanswered == before + 1
    redis.mode = "pass"
    wait_for_redis(settings)
    time.sleep(0.25)
    assert echo()
    assert all(at_once(lambda _: echo()))


def test_a_thread_that_never_came_back_from_its_try_keeps_the_others_for_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(valkey_client, "ALONE_SECONDS", 0.1)
    presence = Presence()
    presence.failed(time.monotonic(), OSError())
    assert [presence.may_try(), presence.may_try()] == [True, False]
    time.sleep(0.12)
    assert presence.may_try()


def test_it_is_said_once_that_it_went_and_once_that_it_came_back(
    redis: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    short_pause(monkeypatch, 0.1)
    redis.mode = "close"
    redis.drop()
    with caplog.at_level(logging.INFO, valkey_client.__name__):
        for _ in range(5):
            echo()
            time.sleep(0.12 if valkey_client.presence.is_away else 0)
        redis.mode = "pass"
        time.sleep(0.12)
        assert echo()
        assert echo()
    assert [record.message for record in caplog.records] == ["redis_away", "redis_back"]


def test_what_the_server_refuses_is_its_absence_and_no_error_of_the_request() -> None:
    assert run(FAULTY, [], []) is None
    assert echo()


def test_a_forked_process_has_connections_of_its_own() -> None:
    assert echo()
    if (child := os.fork()) == 0:
        os._exit(0 if not valkey_client._idle and echo("child") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert echo("parent")
