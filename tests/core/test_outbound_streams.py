"""What is sent and received by pieces: it is bounded like all else, and never whole in memory."""

import re
import socket
import threading
import time
from io import BytesIO
from typing import Any

import pytest
from urllib3 import encode_multipart_formdata

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import AnswerLost, Client, NotSent
from tests.core.hostile import says, serving
from tests.core.servers import RawServer, ok

MIB = 1024 * 1024


@pytest.fixture
def client() -> Client:
    return Client()


class Taken:
    """Pieces as they come."""

    def __init__(self) -> None:
        self.pieces: list[int] = []
        self.content = b""

    def __call__(self, piece: bytes) -> None:
        self.pieces.append(len(piece))
        self.content += piece


def get(client: Client, url: str, into: Taken, **kwargs: Any) -> Any:
    return client.request("GET", url, deadline=Deadline.after(3), into=into, max_bytes=2 * MIB, **kwargs)


def test_an_answer_comes_by_pieces(client: Client) -> None:
    body = bytes(range(256)) * 4096
    with RawServer(ok(body)) as server:
        for _ in range(2):
            into = Taken()
            answer = get(client, server.url, into)
            assert (answer.status, answer.body, into.content) == (200, b"", body)
            assert max(into.pieces) <= 64 * 1024
    assert server.connections == 1


def test_an_answer_in_chunks_comes_by_pieces_too(client: Client) -> None:
    chunks = [b"2;a=b\r\n[1\r\n", b"3\r\n,2]\r\n0\r\n\r\n"]
    with RawServer([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks]) as server:
        into = Taken()
        get(client, server.url, into)
    assert into.content == b"[1,2]"


def test_only_a_200_is_handed_over(client: Client) -> None:
    with RawServer([b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"]) as server:
        into = Taken()
        answer = get(client, server.url, into)
    assert (answer.status, answer.body, into.content) == (404, b"gone", b"")


LOST = {
    "longer than it may be": ([b"HTTP/1.1 200 OK\r\nContent-Length: 2097153\r\n\r\n"], "answer_too_large"),
    "longer than it may be, untold": (
        [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", bytes(2 * MIB + 1)],
        "answer_too_large",
    ),
    "an error without end": (
        [b"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n", bytes(2 * MIB)],
        "answer_too_large",
    ),
    "broken off": ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nabc"], "connection_lost"),
    "compressed": ([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"], "unreadable_answer"),
}


@pytest.mark.parametrize("name", LOST)
def test_an_answer_that_is_not_whole_is_lost(client: Client, name: str) -> None:
    said, reason = LOST[name]
    with serving(says(*said)) as url, pytest.raises(AnswerLost, match=reason):
        get(client, url, Taken())


def test_an_answer_that_trickles_ends_with_the_deadline(client: Client) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    trickle: list[bytes | float] = [head, *(each for _ in range(40) for each in (b"a", 0.1))]
    with RawServer(trickle) as server, pytest.raises(AnswerLost, match="read_timeout"):
        client.request("GET", server.url, deadline=Deadline.after(0.5), into=Taken())


@pytest.mark.parametrize("name", LOST)
def test_where_the_head_decides_a_body_that_is_not_whole_loses_nothing_else(client: Client, name: str) -> None:
    said, reason = LOST[name]
    with serving(says(*said)) as url:
        answer = client.request("GET", url, deadline=Deadline.after(3), max_bytes=MIB, body_within=1)
    assert (answer.status, answer.lost) == (int(said[0][9:12]), reason)


def test_where_the_head_decides_its_body_is_waited_for_so_long_and_the_connection_is_used_no_more(
    client: Client,
) -> None:
    slow: list[bytes | float] = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", 4.0, b"k"]
    with RawServer(slow, ok(b"{}")) as server:
        begun = time.monotonic()
        answer = client.request("GET", server.url, deadline=Deadline.after(5), body_within=0.2)
        assert (answer.lost, time.monotonic() - begun < 3) == ("read_timeout", True)
        assert client.request("GET", server.url, deadline=Deadline.after(5), body_within=0.2).body == b"{}"
        assert server.connections == 2


def test_a_head_that_does_not_come_is_no_answer(client: Client) -> None:
    with RawServer([b"HTTP/1.1 200 OK\r\nContent-", 1.0]) as server, pytest.raises(AnswerLost, match="read_timeout"):
        client.request("GET", server.url, deadline=Deadline.after(0.3), body_within=5)


class Measured(BytesIO):
    """How much of it was ever asked for at once."""

    most = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.most = max(self.most, len(self.getvalue()) if size is None or size < 0 else size)
        return super().read(size)


def test_a_file_is_sent_as_it_is_read_and_arrives_as_any_form(client: Client) -> None:
    content = bytes(range(256)) * 8192
    file = Measured(content)
    file.seek(77)  # Whoever has looked into it before does no harm.
    with RawServer(ok(b"{}")) as server:
        files = {"file": ('ü".png', file, "image/png")}
        client.request("POST", server.url, deadline=Deadline.after(5), data={"a": "b"}, files=files)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    boundary = re.search(rb"boundary=([0-9a-f]+)", head)
    assert boundary is not None
    wanted, _ = encode_multipart_formdata(
        [("a", "b"), ("file", ('ü".png', content, "image/png"))], boundary[1].decode()
    )
    assert body == wanted
    assert b"Content-Length: %d" % len(wanted) in head
    assert b"chunked" not in head.lower()
    assert file.most <= 64 * 1024


def test_an_empty_file_is_a_form_too(client: Client) -> None:
    with RawServer(ok(b"{}")) as server:
        client.request("POST", server.url, deadline=Deadline.after(10), files={"file": ("a", BytesIO(), "a/b")})
    assert server.requests[0].endswith(b"--\r\n")


def test_two_open_files_are_not_sent(client: Client) -> None:
    files = {name: (name, BytesIO(b"a"), "a/b") for name in ("one", "two")}
    with RawServer(ok(b"{}")) as server, pytest.raises(NotSent, match="invalid_request"):
        client.request("POST", server.url, deadline=Deadline.after(10), files=files)
    assert server.connections == 0


def test_an_answer_that_comes_before_the_file_is_sent_counts(client: Client) -> None:
    """As of a server that finds it too large, and hangs up."""

    def refuse(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        while sock.recv(65536):  # What is closed unread is reset, and the answer with it.
            pass

    with serving(refuse) as url:
        files = {"file": ("a", BytesIO(bytes(20 * MIB)), "a/b")}
        answer = client.request("POST", url, deadline=Deadline.after(5), files=files)
    assert answer.status == 413


def test_a_server_that_takes_nothing_ends_with_the_deadline(client: Client) -> None:
    over, files = threading.Event(), {"file": ("a", BytesIO(bytes(20 * MIB)), "a/b")}
    with serving(lambda _: over.wait(10) and None) as url, pytest.raises(AnswerLost, match="read_timeout"):
        client.request("POST", url, deadline=Deadline.after(0.5), files=files)
    over.set()
