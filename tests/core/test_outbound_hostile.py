"""Servers that lie, hang, drip, flood and hang up: each exchange ends in time, in little memory, and as what it was."""

import json
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from threading import Semaphore
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import AnswerLost, Client, NotSent
from tests.core import hostile
from tests.core.hostile import OK, SERVERS, read_request, says, serving
from tests.core.servers import RawServer, ok

# Far from what the servers would take: five seconds and more.
MARGIN = 2.0


def outcome(url: str, seconds: float = 0.4, **request: Any) -> tuple[type, str]:
    started = time.monotonic()
    with pytest.raises((AnswerLost, NotSent)) as caught:
        Client().request("POST", url, deadline=Deadline.after(seconds), **{"json": {"a": 1}, **request})
    assert time.monotonic() - started < seconds + MARGIN
    return caught.type, caught.value.reason


@pytest.mark.parametrize("name", SERVERS)
def test_server_that(name: str) -> None:
    talk, reason = SERVERS[name]
    with serving(talk) as url:
        assert outcome(url, hostile.seconds_for(reason)) == (AnswerLost, reason)


@pytest.mark.parametrize("talk", [hostile.hangs, hostile.drips_handshake])
def test_handshake_that_does_not_end_is_never_sent_anything(talk: Any) -> None:
    with serving(talk) as url:
        assert outcome(url.replace("http:", "https:")) == (NotSent, "connect_timeout")


def test_handshake_with_what_speaks_no_tls_is_never_sent_anything() -> None:
    with serving(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        assert outcome(url.replace("http:", "https:"))[0] is NotSent


def test_big_request_to_a_server_that_does_not_read_ends_in_time() -> None:
    with serving(hostile.reads_nothing) as url:
        assert outcome(url, json=None, data=bytes(30_000_000)) == (AnswerLost, "read_timeout")


def test_connection_that_nobody_accepts_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as waiting:
        for _ in range(4):  # Fills the queue of a listener that never accepts.
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        assert outcome(f"http://127.0.0.1:{listener.getsockname()[1]}")[1] in ("connect_timeout", "read_timeout")


def test_redirect_to_an_inner_address_is_not_followed() -> None:
    with RawServer(ok(b"{}")) as canary:
        redirect = says(b"HTTP/1.1 307 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % canary.url.encode())
        with serving(redirect) as url:
            assert Client().request("POST", url, deadline=Deadline.after(10), json={}).status == 307
    assert canary.connections == 0


def test_page_instead_of_json_is_unreadable() -> None:
    page = b"<html>Sign in</html>"
    with serving(says(OK + b"Content-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page), page)) as url:
        answer = Client().request("GET", url, deadline=Deadline.after(10))
    with pytest.raises(AnswerLost, match="unreadable_answer"):
        answer.json()


def test_refusal_before_the_whole_request_was_read_is_an_answer() -> None:
    def refuse(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.05)  # Closing resets, since the rest was not read.

    with serving(refuse) as url:
        assert Client().request("POST", url, deadline=Deadline.after(3), data=bytes(3_000_000)).status == 413


def test_interim_answers_that_bid_go_on_are_passed_over() -> None:
    with serving(says(b"HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n" * 2 + OK + b"Content-Length: 2\r\n\r\n{}")) as url:
        assert Client().request("GET", url, deadline=Deadline.after(10)).json() == {}


@pytest.mark.parametrize("surplus", [OK + b'Content-Length: 9\r\n\r\n"foreign"', b"\r\n", b"x"])
@pytest.mark.parametrize("is_at_once", [True, False])
def test_what_comes_after_an_answer_is_never_the_next_one(surplus: bytes, is_at_once: bool) -> None:
    own, connections = OK + b'Content-Length: 5\r\n\r\n"own"', list[socket.socket]()
    sent = Semaphore(0)

    def talk(client: socket.socket) -> None:
        connections.append(client)
        while read_request(client):
            for piece in [own + surplus] if is_at_once else [own, surplus]:
                client.sendall(piece)
                time.sleep(0.02)
            sent.release()

    with serving(talk) as url:
        client = Client()
        for _ in range(3):
            assert client.request("GET", url, deadline=Deadline.after(10)).json() == "own"
            assert sent.acquire(timeout=10)
    assert len(connections) == 3


def test_answer_after_an_early_hint_is_never_the_next_one() -> None:
    hint, own = b"HTTP/1.1 103 Early Hints\r\n\r\n", OK + b"Content-Length: 5\r\n\r\n"
    answers = iter([hint + own + b'"one"', own + b'"two"'])

    def talk(client: socket.socket) -> None:
        while read_request(client):
            client.sendall(next(answers))

    with serving(talk) as url:
        client = Client()
        with pytest.raises(AnswerLost, match="unreadable_answer"):
            client.request("GET", url, deadline=Deadline.after(10))
        assert client.request("GET", url, deadline=Deadline.after(10)).json() == "two"


def test_connection_that_was_closed_while_idle_is_not_used_again() -> None:
    with serving(says(OK + b"Content-Length: 2\r\n\r\n{}")) as url:
        client = Client()
        for _ in range(3):
            assert client.request("GET", url, deadline=Deadline.after(10)).status == 200
            time.sleep(0.02)


def test_answer_to_a_request_that_could_not_be_sent_is_none() -> None:
    def connect(target: tuple[str, int], seconds: float) -> socket.socket:
        sock = socket.create_connection(target, seconds)
        time.sleep(0.1)  # Until the answer and the reset are here.
        return sock

    # Where the machine is slow enough, the reset is here before the connection is said to be made.
    with serving(hostile.answers_unasked) as url, pytest.raises(NotSent, match=r"not_connected|refused"):
        Client(connect=connect).request("POST", url, deadline=Deadline.after(10), json={})


def test_request_is_not_repeated_when_a_kept_connection_breaks() -> None:
    asked: list[bytes] = []

    def talk(client: socket.socket) -> None:
        asked.append(read_request(client))
        client.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
        asked.append(read_request(client))

    with serving(talk) as url:
        client = Client()
        assert client.request("POST", url, deadline=Deadline.after(10), json={"n": 1}).status == 200
        with pytest.raises(AnswerLost, match="connection_lost"):
            client.request("POST", url, deadline=Deadline.after(10), json={"n": 2})
    assert len(asked) == 2


MEASURE = """
import json, resource, sys
from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Client, OutboundError
urls, said = json.load(sys.stdin), {}
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try: Client().request("GET", "https://127.0.0.1:1", deadline=Deadline.after(1))
except OutboundError: before = peak()
for name, url in urls.items():
    try: Client().request("POST", url, deadline=Deadline.after(10), json={})
    except OutboundError as error: said[name] = [error.reason, (peak() - before) / 1024]
print(json.dumps(said))
"""


@pytest.mark.slow
def test_no_server_takes_more_than_twenty_megabytes() -> None:
    floods = [name for name, (_, reason) in SERVERS.items() if reason in ("answer_too_large", "unreadable_answer")]
    with ExitStack() as servers:
        urls = {name: servers.enter_context(serving(SERVERS[name][0])) for name in floods}
        done = subprocess.run(
            [sys.executable, "-c", MEASURE],
            input=json.dumps(urls),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    said = json.loads(done.stdout)
    assert {name: reason for name, (reason, _) in said.items()} == {name: SERVERS[name][1] for name in floods}
    assert max(megabytes for _, megabytes in said.values()) < 20
