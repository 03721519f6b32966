"""Names are looked up within the caller's time, whatever the name server does."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Client, NotSent
from integrationhub.core.outbound.resolving import Resolver


class NameServer:
    """`slow...` is answered only once `go` is set."""

    def __init__(self) -> None:
        self.go, self.asked = threading.Event(), list[str]()

    def look_up(self, host: str, port: None, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.go.wait(5)
        if host == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("1.1.1.1", "1.1.1.1", "8.8.8.8")
        ]


@pytest.fixture
def names() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.go.set()


def test_each_address_comes_once_and_in_order(names: NameServer) -> None:
    assert Resolver(names.look_up)("one.example", 1) == ["1.1.1.1", "8.8.8.8"]


def test_address_needs_no_look_up(names: NameServer) -> None:
    assert [Resolver(names.look_up)(text, 1) for text in ("9.9.9.9", "2606:4700::0")] == [["9.9.9.9"], ["2606:4700::"]]
    assert names.asked == []


def test_unknown_name_fails_and_may_be_asked_again(names: NameServer) -> None:
    resolve = Resolver(names.look_up)
    for _ in range(2):
        with pytest.raises(OSError, match="unknown"):
            resolve("unknown", 1)
    assert len(names.asked) == 2


def test_slow_name_takes_no_longer_than_was_given(names: NameServer) -> None:
    started = time.monotonic()
    with pytest.raises(NotSent, match="dns"):
        Client(resolve=Resolver(names.look_up)).request("GET", "https://slow/", deadline=Deadline.after(0.1))
    assert time.monotonic() - started < 3


def test_process_that_can_start_no_thread_looks_nothing_up_and_may_ask_again(
    names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = Resolver(names.look_up)

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", start)
        with pytest.raises(NotSent, match="dns"):
            Client(resolve=resolve).request("GET", "https://one.example/", deadline=Deadline.after(1))
    assert resolve("one.example", 1) == ["1.1.1.1", "8.8.8.8"]


def test_many_who_ask_for_one_slow_name_share_a_thread_and_others_are_served(names: NameServer) -> None:
    resolve = Resolver(names.look_up)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            resolve("slow", 0.001)
    assert names.asked == ["slow"]
    assert resolve("one.example", 1) == ["1.1.1.1", "8.8.8.8"]


def test_slow_names_take_no_more_threads_than_allowed_and_give_them_back(names: NameServer) -> None:
    resolve = Resolver(names.look_up, most=3)
    for number in range(10):
        with pytest.raises(TimeoutError):
            resolve(f"slow-{number}", 0.001)
    assert len(names.asked) == 3
    names.go.set()
    until = time.monotonic() + 2
    while time.monotonic() < until:
        try:
            assert resolve("one.example", 1) == ["1.1.1.1", "8.8.8.8"]
            return
        except TimeoutError:
            time.sleep(0.01)
    pytest.fail("No thread came back.")
