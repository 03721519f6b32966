"""The way out: one deadline over the whole exchange, capped bodies, no redirects, and failures told apart."""

import time
from collections.abc import Iterator

import pytest
import structlog

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import AnswerLost, Client, NotSent
from tests.core.servers import RawServer, ok

SECONDS = 0.6


@pytest.fixture
def client() -> Client:
    return Client()


def failure(client: Client, url: str, kind: type[Exception], seconds: float = SECONDS, **kwargs: int) -> str:
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        client.request("POST", url, deadline=Deadline.after(seconds), json={"a": 1}, **kwargs)
    assert time.monotonic() - started < seconds + 0.3
    assert "127.0.0.1" not in str(caught.value)
    return caught.value.reason  # type: ignore[attr-defined]


def test_answer_of_any_status_is_an_answer(client: Client) -> None:
    with RawServer([b'HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 7\r\n\r\n{"a":1}']) as server:
        answer = client.request("GET", server.url, deadline=Deadline.after(1))
    assert (answer.status, answer.headers["retry-after"], answer.json()) == (503, "3", {"a": 1})


def test_request_carries_its_body_and_id_and_asks_for_no_compression(client: Client) -> None:
    with RawServer(ok(b"{}")) as server, structlog.contextvars.bound_contextvars(request_id="request-7"):
        client.request("POST", server.url, deadline=Deadline.after(1), json={"a": 1}, headers={"X-Own": "b"})
    sent = server.requests[0]
    for expected in (b"x-request-id: request-7", b"Accept-Encoding: identity", b"X-Own: b", b'{"a": 1}'):
        assert expected in sent


def test_connection_is_used_again(client: Client) -> None:
    with RawServer(ok(b"{}")) as server:
        for _ in range(3):
            client.request("GET", server.url, deadline=Deadline.after(1))
    assert (len(server.requests), server.connections) == (3, 1)


def test_redirect_is_not_followed_and_cookies_are_not_kept(client: Client) -> None:
    redirect = [b"HTTP/1.1 302 Found\r\nLocation: /x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"]
    with RawServer(redirect) as server:
        assert client.request("GET", server.url, deadline=Deadline.after(1)).status == 302
        client.request("GET", server.url, deadline=Deadline.after(1))
    assert len(server.requests) == 2
    assert b"Cookie" not in server.requests[1]


def test_proxies_and_netrc_of_the_environment_are_ignored(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with RawServer(ok(b"{}")) as server:
        assert client.request("GET", server.url, deadline=Deadline.after(1)).status == 200


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
        assert failure(client, server.url, AnswerLost) == reason


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


@pytest.mark.parametrize("url", ["http://", "nonsense", "ftp://127.0.0.1/x", "http://[::1", "http://127.0.0.1:99999/"])
def test_url_that_is_none_is_never_sent(client: Client, url: str) -> None:
    assert failure(client, url, NotSent) == "invalid_url"


def test_spent_deadline_sends_nothing(client: Client) -> None:
    with RawServer(ok(b"{}")) as server:
        assert failure(client, server.url, NotSent, 0) == "deadline_exceeded"
    assert server.requests == []


@pytest.mark.parametrize("body", [b"<html>", b'{"a":', b"\xff", b"NaN", b"[" * 100_000, b""])
def test_answer_that_is_no_json_is_unreadable(client: Client, body: bytes) -> None:
    with RawServer(ok(body)) as server:
        answer = client.request("GET", server.url, deadline=Deadline.after(1))
    with pytest.raises(AnswerLost, match="unreadable_answer"):
        answer.json()
