"""The way out: one deadline over the whole exchange, capped bodies, no redirects, and failures told apart."""

import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import structlog

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import AnswerLost, Client, NotSent, pool
from tests.core.hostile import OK, read_request, says, serving
from tests.core.servers import RawServer, ok

SECONDS = 0.6


@pytest.fixture
def client() -> Client:
    return Client()


def failure(client: Client, url: str, kind: type[Exception], seconds: float = SECONDS, **kwargs: int) -> str:
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        client.request("POST", url, deadline=Deadline.after(seconds), json={"a": 1}, **kwargs)
    assert time.monotonic() - started < seconds + 2.0, "It went on behind its deadline."
    assert "127.0.0.1" not in str(caught.value)
    return caught.value.reason  # type: ignore[attr-defined]


def test_answer_of_any_status_is_an_answer(client: Client) -> None:
    with RawServer([b'HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 7\r\n\r\n{"a":1}']) as server:
        answer = client.request("GET", server.url, deadline=Deadline.after(10))
    assert (answer.status, answer.headers["retry-after"], answer.json()) == (503, "3", {"a": 1})


def test_request_carries_its_body_and_id_and_asks_for_no_compression(client: Client) -> None:
    with RawServer(ok(b"{}")) as server, structlog.contextvars.bound_contextvars(request_id="request-7"):
        client.request("POST", server.url, deadline=Deadline.after(10), json={"a": 1}, headers={"X-Own": "b"})
    sent = server.requests[0]
    for expected in (b"x-request-id: request-7", b"Accept-Encoding: identity", b"X-Own: b", b'{"a": 1}'):
        assert expected in sent


SENT: list[tuple[dict[str, Any], list[bytes]]] = [
    ({"params": {"a": "b c", "d": ["1", "2"]}}, [b"POST /x?y=z&a=b+c&d=1&d=2 HTTP/1.1\r\n"]),
    ({"auth": ("user", "pass")}, [b"Authorization: Basic dXNlcjpwYXNz\r\n"]),
    (
        {"data": {"To": "+1 2", "é": "ü"}},
        [b"application/x-www-form-urlencoded\r\n", b"\r\n\r\nTo=%2B1+2&%C3%A9=%C3%BC"],
    ),
    (
        {"data": b"\x00\xff", "headers": {"content-type": "image/png"}},
        [b"content-type: image/png", b"\r\n\r\n\x00\xff"],
    ),
    ({"json": []}, [b"Content-Type: application/json\r\n", b"Content-Length: 2\r\n", b"\r\n\r\n[]"]),
    ({"json": {}, "headers": {"Content-Type": "application/vnd.a+json"}}, [b"Content-Type: application/vnd.a+json"]),
    (
        {"files": {"f": ("n.txt", b"content", "text/plain")}, "data": {"k": "v"}},
        [b'filename="n.txt"', b"content", b"v\r\n"],
    ),
    ({"headers": {"USER-AGENT": "own"}}, [b"USER-AGENT: own\r\n", b"Content-Length: 0\r\n"]),
]


@pytest.mark.parametrize(("request_", "expected"), SENT, ids=lambda value: str(value)[:40])
def test_request_is_sent_as_it_was_asked_for(client: Client, request_: dict[str, Any], expected: list[bytes]) -> None:
    with RawServer(ok(b"{}")) as server:
        client.request("POST", f"{server.url}/x?y=z", deadline=Deadline.after(10), **request_)
    sent = server.requests[0]
    assert [part for part in expected if part not in sent] == []
    names = [line.partition(b":")[0].lower() for line in sent.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": {"X-A": "b\r\nX-C: d"}},
        {"headers": {"X-A\r\nX-C": "d"}},
        {"headers": {"X A": "b"}},
        {"headers": {"X-A": "\x00"}},
        {"headers": {"X-A": "☃"}},
        {"headers": {"X-A": "b\n c"}},
        {"headers": {"Host": "other.example"}},
        {"headers": {"content-length": "5"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"json": float("nan")},
        {"json": object},
        {"data": {"a": "\ud800"}},
        {"data": "\ud800"},
        {"data": object},
        {"files": {"f": ("n.txt", "\ud800", "text/plain")}},
        {"params": {"a": "\ud800"}},
        {"auth": ("user", "\ud800")},
    ],
    ids=ascii,
)
def test_request_that_cannot_be_said_is_not_sent(client: Client, request_: dict[str, Any]) -> None:
    with RawServer(ok(b"{}")) as server, pytest.raises(NotSent, match="invalid_request"):
        client.request("POST", server.url, deadline=Deadline.after(10), **request_)
    assert server.connections == 0


def test_json_that_is_nested_too_deep_is_not_sent(client: Client) -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(NotSent, match="invalid_request"):
        client.request("POST", "http://127.0.0.1:1", deadline=Deadline.after(10), json=nested)


def test_method_that_is_none_is_not_sent(client: Client) -> None:
    with pytest.raises(NotSent, match="invalid_request"):
        client.request("GET / HTTP/1.1\r\nX:", "http://127.0.0.1:1", deadline=Deadline.after(10))


def test_path_is_quoted_and_its_quotes_are_kept(client: Client) -> None:
    with RawServer(ok(b"{}")) as server:
        client.request("GET", f"{server.url}/ü/%2F/a:b?q=ü&r=%20", deadline=Deadline.after(10))
    assert server.requests[0].startswith(b"GET /%C3%BC/%2F/a:b?q=%C3%BC&r=%20 HTTP/1.1\r\n")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_answer_without_a_body_leaves_the_connection_usable(client: Client, status: bytes) -> None:
    with RawServer([b"HTTP/1.1 " + status + b"\r\n\r\n"]) as server:
        for _ in range(2):
            assert client.request("DELETE", server.url, deadline=Deadline.after(10)).body == b""
    assert server.connections == 1


def test_answer_in_chunks_is_whole(client: Client) -> None:
    chunks = [b"2;a=b\r\n[1\r\n", b"3\r\n,2", b"]\r\n0\r\nX-Trailer: a\r\n\r\n"]
    with RawServer([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", *chunks]) as server:
        for _ in range(2):
            assert client.request("GET", server.url, deadline=Deadline.after(10)).json() == [1, 2]
    assert server.connections == 1


def test_answer_that_the_end_of_the_connection_ends_is_whole(client: Client) -> None:
    with serving(says(b"HTTP/1.0 200 OK\r\nX-A: b\r\nx-a: c\r\n\r\n{}")) as url:
        answer = client.request("GET", url, deadline=Deadline.after(10))
    assert (answer.json(), answer.headers["X-a"]) == ({}, "b, c")


def test_threads_share_the_pool_without_mixing_answers(client: Client) -> None:
    def echo(sock: socket.socket) -> None:
        while request := read_request(sock):
            path = request.split(b" ")[1]
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))

    def ask(number: int) -> bool:
        answer = client.request("GET", f"{url}/{number}", deadline=Deadline.after(3))
        return answer.body == b"/%d" % number

    with serving(echo) as url, ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(300)))


def test_connection_is_used_again(client: Client) -> None:
    with RawServer(ok(b"{}")) as server:
        for _ in range(3):
            client.request("GET", server.url, deadline=Deadline.after(10))
    assert (len(server.requests), server.connections) == (3, 1)


def test_connection_that_was_idle_for_long_is_not_used_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.0)
    with RawServer(ok(b"{}")) as server:
        for _ in range(2):
            client.request("GET", server.url, deadline=Deadline.after(10))
    assert server.connections == 2


def test_origin_that_was_not_used_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MOST_ORIGINS", 1)
    client = Client()
    with RawServer(ok(b"{}")) as first, RawServer(ok(b"{}")) as second:
        for server in (first, second, second, first):
            client.request("GET", server.url, deadline=Deadline.after(10))
    assert (first.connections, second.connections) == (2, 1)


def test_redirect_is_not_followed_and_cookies_are_not_kept(client: Client) -> None:
    redirect = [b"HTTP/1.1 302 Found\r\nLocation: /x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"]
    with RawServer(redirect) as server:
        assert client.request("GET", server.url, deadline=Deadline.after(10)).status == 302
        client.request("GET", server.url, deadline=Deadline.after(10))
    assert len(server.requests) == 2
    assert b"Cookie" not in server.requests[1]


def test_proxies_and_netrc_of_the_environment_are_ignored(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with RawServer(ok(b"{}")) as server:
        assert client.request("GET", server.url, deadline=Deadline.after(10)).status == 200


def test_url_of_an_exchange_is_in_no_log_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for answer in (ok(b"{}"), [OK + b": no name\r\n\r\n"], [OK + b"Content-Length: x\r\n\r\n"]):
        with RawServer(answer) as server, suppress(AnswerLost):
            client.request("GET", f"{server.url}/bot7:abcde/send?key=abcde", deadline=Deadline.after(10))
    assert "abcde" not in caplog.text


LOST = {
    "silence": ([5.0], "read_timeout"),
    "slow headers": ([b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n", 0.1] * 50], "read_timeout"),
    "slow header bytes": ([b"HTTP/1.1 200 OK\r\nX-", *[b"a", 0.1] * 50], "read_timeout"),
    "slow body": ([b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", *[b"a", 0.1] * 50], "read_timeout"),
    "slow chunks": (
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n", 0.1] * 50],
        "read_timeout",
    ),
    "slow body until close": ([b"HTTP/1.0 200 OK\r\n\r\n", *[b"a", 0.1] * 50], "read_timeout"),
    "hung up": ([], "connection_lost"),
    "garbage": ([b"\x00\x01\x02 garbage\r\n\r\n"], "unreadable_answer"),
    "compressed": (ok(b"\x1f\x8b", b"Content-Encoding: gzip\r\n"), "unreadable_answer"),
}


@pytest.mark.parametrize("name", LOST)
def test_answer_that_does_not_come_whole_is_lost(client: Client, name: str) -> None:
    pieces, reason = LOST[name]
    with RawServer(pieces) as server:
        assert failure(client, server.url, AnswerLost, SECONDS if reason == "read_timeout" else 10) == reason


def test_body_that_ends_early_is_lost(client: Client) -> None:
    def short() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nshort"

    with RawServer([*short(), 0.05], []) as server:
        assert failure(client, server.url, AnswerLost) in ("connection_lost", "read_timeout")


def test_body_over_the_cap_is_lost_before_it_is_read(client: Client) -> None:
    with RawServer([b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n", *[b"x" * 65536] * 40]) as server:
        assert failure(client, server.url, AnswerLost, 3) == "answer_too_large"
        assert failure(client, server.url, AnswerLost, 3, max_bytes=10) == "answer_too_large"


def test_refused_connection_and_unknown_name_were_never_sent(client: Client) -> None:
    assert failure(client, "http://127.0.0.1:1", NotSent) == "refused"
    assert failure(client, "http://no-such-host.invalid", NotSent, 5) == "dns"


def test_server_that_speaks_no_tls_was_never_sent_anything(client: Client) -> None:
    with RawServer([b"hello\r\n\r\n"]) as server:
        assert failure(client, server.url.replace("http", "https"), NotSent) in ("tls", "connect_timeout")


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "nonsense",
        "http://127.0.0.1/\ud800",
        "http://127.0.0.1/?\ud800",
        "ftp://127.0.0.1/x",
        "http://[::1",
        "http://127.0.0.1:99999/",
    ],
)
def test_url_that_is_none_is_never_sent(client: Client, url: str) -> None:
    assert failure(client, url, NotSent) == "invalid_url"


def test_spent_deadline_sends_nothing(client: Client) -> None:
    with RawServer(ok(b"{}")) as server:
        assert failure(client, server.url, NotSent, 0) == "deadline_exceeded"
    assert server.requests == []


@pytest.mark.parametrize("body", [b"<html>", b'{"a":', b"\xff", b"NaN", b"[" * 100_000, b""])
def test_answer_that_is_no_json_is_unreadable(client: Client, body: bytes) -> None:
    with RawServer(ok(body)) as server:
        answer = client.request("GET", server.url, deadline=Deadline.after(10))
    with pytest.raises(AnswerLost, match="unreadable_answer"):
        answer.json()
