"""The real server over raw sockets: what is not HTTP, too large or too slow gets the envelope and an end."""

import json
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from integrationhub.core.catalogue import ENTRIES
from tests.core.envelopes import FIRST
from tests.launcher.running import eventually
from tests.make import Api, token
from tests.serving import serving

pytestmark = pytest.mark.slow

APPLICATION = "tests.core.served:application"


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of one that serves the paths of this file."""
    with serving(APPLICATION, WEB_THREADS="4") as served:
        yield served.port


def exchange(port: int, sent: bytes, seconds: float = 5.0) -> bytes:
    """Everything the server says until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as sock:
        with suppress(OSError):  # An early refusal may close while we still write.
            sock.sendall(sent)
        return _read_all(sock)


def _read_all(sock: socket.socket) -> bytes:
    said = b""
    with suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            said += piece
    return said


def parsed(said: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, json.loads(body)


def request(
    path: str = "/integrationhub/v1/echo", *headers: str, method: str = "GET", host: str = "localhost"
) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


CLOSE = "Connection: close"
MALFORMED: dict[str, tuple[bytes, int, str]] = {
    "no HTTP": (b"hello\r\n\r\n", 400, "malformed_request_line"),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400, "malformed_request_line"),
    "strange method": (b"GE(T / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "malformed_method"),
    "HTTP/9.9": (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400, "unsupported_http_version"),
    "line over 8 KiB": (request("/integrationhub/v1/" + "a" * 9_000), 414, "url_too_long"),
    "line over our own limit": (request("/integrationhub/v1/" + "a" * 5_000, CLOSE), 414, "url_too_long"),
    "header over 16 KiB": (request("/integrationhub/v1/echo", "X-A: " + "a" * 20_000), 431, "headers_too_large"),
    "header over our own limit": (
        request("/integrationhub/v1/echo", "X-A: " + "a" * 9_000, CLOSE),
        431,
        "headers_too_large",
    ),
    "200 headers": (request("/integrationhub/v1/echo", *[f"X-{n}: a" for n in range(200)]), 431, "headers_too_large"),
    "header name": (request("/integrationhub/v1/echo", "X A: b"), 400, "malformed_header"),
    "NUL in a header": (request("/integrationhub/v1/echo", "X-A: a\0b"), 400, "malformed_header"),
    "two lengths": (request("/", "Content-Length: 1", "Content-Length: 2"), 400, "malformed_header"),
    "length in words": (request("/", "Content-Length: ten"), 400, "malformed_header"),
    "length and chunks": (request("/", "Content-Length: 3", "Transfer-Encoding: chunked"), 400, "malformed_header"),
    "unknown coding": (request("/", "Transfer-Encoding: klingon"), 400, "unsupported_coding"),
    "NUL in the path": (request("/integrationhub/v1/ec%00ho", CLOSE), 400, "nul_character"),
    "no UTF-8 in the path": (request("/integrationhub/v1/echo%FF", CLOSE), 404, "unknown_path"),
    "unknown host": (request("/integrationhub/v1/echo", CLOSE, host="evil.example"), 400, "unknown_host"),
    "no host": (b"GET /integrationhub/v1/echo HTTP/1.0\r\nHost: \r\n\r\n", 400, "unknown_host"),
    "double slash": (request("/integrationhub/v1//echo", CLOSE), 404, "unknown_path"),
    "dots": (request("/integrationhub/v1/../../echo", CLOSE), 404, "unknown_path"),
    "token over 8 KiB": (
        request("/integrationhub/v1/echo", "Authorization: Bearer " + "a" * 9_000, CLOSE),
        401,
        "token_too_long",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_unreadable_request_gets_the_envelope_and_a_closed_connection(server: int, name: str) -> None:
    sent, status, reason = MALFORMED[name]
    said = exchange(server, sent)
    found, headers, body = parsed(said)
    assert (found, body["statusCode"]) == (status, status), said
    assert list(body)[:5] == FIRST
    assert body["code"] in ENTRIES
    assert reason in ("", body["details"].get("reason"))
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"] == body["requestId"]
    assert headers["connection"] == "close"
    assert "a" * 5_000 not in body["message"]


def _authorized(api: Api) -> list[str]:
    return [
        f"Authorization: Bearer {token(api.tenant)}",
        f"x-tenant-id: {api.tenant}",
        "Content-Type: application/json",
    ]


def test_server_tells_no_version(server: int) -> None:
    _, headers, _ = parsed(exchange(server, request("/healthz", CLOSE)))
    assert headers.get("server", "") in ("", "gunicorn")


def test_chunked_body_is_read(server: int, api: Api) -> None:
    sent = request("/integrationhub/v1/echo", *_authorized(api), "Transfer-Encoding: chunked", CLOSE, method="POST")
    status, _, body = parsed(exchange(server, sent + b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n'))
    assert (status, body) == (201, {"body": {"a": 1}})


def test_chunked_body_over_the_limit_is_413(server: int, api: Api) -> None:
    sent = request("/integrationhub/v1/echo", *_authorized(api), "Transfer-Encoding: chunked", method="POST")
    chunks = (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17
    started = time.monotonic()
    status, headers, body = parsed(exchange(server, sent + chunks + b"0\r\n\r\n", 10))
    assert (status, body["details"]["reason"], headers["connection"]) == (413, "body_too_large", "close")
    assert time.monotonic() - started < 4


def test_malformed_chunk_is_400(server: int, api: Api) -> None:
    sent = request("/integrationhub/v1/echo", *_authorized(api), "Transfer-Encoding: chunked", method="POST")
    status, _, body = parsed(exchange(server, sent + b"zz\r\n{}\r\n0\r\n\r\n"))
    assert (status, body["details"]["reason"]) == (400, "malformed_chunk")


def test_early_413_is_read_whole_and_then_the_connection_closes(server: int, api: Api) -> None:
    sent = request("/integrationhub/v1/echo", *_authorized(api), "Content-Length: 300000000", method="POST")
    started = time.monotonic()
    status, headers, body = parsed(exchange(server, sent + b"x" * 100_000, 15))
    assert (status, body["details"]["reason"], headers["connection"]) == (413, "body_too_large", "close")
    assert time.monotonic() - started < 4


def test_tenant_header_sent_twice_or_with_underscores_is_refused(server: int, api: Api) -> None:
    own = f"x-tenant-id: {api.tenant}"
    bearer = f"Authorization: Bearer {token(api.tenant)}"
    for headers in ([own, own], [own.replace("-", "_", 2)]):
        status, _, body = parsed(exchange(server, request("/integrationhub/v1/echo", bearer, *headers, CLOSE)))
        assert (status, body["code"]) == (401, "ERR_TENANT_REQUIRED")


def test_those_who_send_slowly_do_not_keep_the_others_waiting(server: int, api: Api) -> None:
    """Eight slow senders of headers and bodies against four threads."""
    slow = [socket.create_connection(("127.0.0.1", server)) for _ in range(8)]
    body = request("/integrationhub/v1/echo", *_authorized(api), "Content-Length: 10", method="POST") + b"{"
    try:
        for number, sock in enumerate(slow):
            sock.sendall(body if number % 2 else b"GET / HTTP/1.1\r\nHost: loc")
        started = time.monotonic()
        assert exchange(server, request("/healthz", CLOSE), 30).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - started < 25
        for sock in slow:
            sock.settimeout(30)
        answers = [_read_all(sock) for sock in slow]
    finally:
        for sock in slow:
            sock.close()
    assert [answer[:12] for answer in answers[1::2]] == [b"HTTP/1.1 400"] * 4
    assert answers[0::2] == [b""] * 4


def test_body_that_drips_is_given_up(server: int, api: Api) -> None:
    with socket.create_connection(("127.0.0.1", server), timeout=2) as sock:
        sock.sendall(request("/integrationhub/v1/echo", *_authorized(api), "Content-Length: 100", method="POST"))
        started = time.monotonic()
        while time.monotonic() - started < 12:
            with suppress(OSError):
                sock.sendall(b" ")
            time.sleep(0.5)
            if select.select([sock], [], [], 0)[0]:
                break
        status, _, body = parsed(_read_all(sock))
    assert (status, body["details"]["reason"]) == (400, "incomplete_body")
    assert time.monotonic() - started < 10


def test_workers_end_with_a_master_that_was_killed() -> None:
    with serving(APPLICATION, WEB_WORKERS="2") as served:
        served.process.kill()
        served.process.wait(5)
        eventually(lambda: not listens(served.port), seconds=5, what="the end of the workers")


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def test_what_the_server_logs_is_json() -> None:
    with serving(APPLICATION, stderr=subprocess.PIPE) as served:
        exchange(served.port, b"hello\r\n\r\n")
        exchange(served.port, request("/integrationhub/v1/nowhere", CLOSE))
        served.process.terminate()
        _, said = served.process.communicate(timeout=15)
    events = [json.loads(line) for line in said.splitlines()]
    assert {"request", "request_unreadable"} <= {event["event"] for event in events}
    assert all({"time", "level", "logger", "event"} <= set(event) for event in events)
