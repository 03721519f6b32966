"""Servers that misbehave, on loopback: each talks to a connection in its own way."""

import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Talk = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def serving(talk: Talk) -> Iterator[str]:
    """The URL of a server that has each connection talked to by `talk`, then closes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=converse, args=(client,), daemon=True).start()

    def converse(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(5)
            talk(client)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def read_request(client: socket.socket) -> bytes:
    """A request with its body, if it has a Content-Length; nothing once the client has hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := client.recv(65536)):
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < lengths[0]:
        body += client.recv(65536)
    return data


def says(*pieces: bytes) -> Talk:
    """Reads the request, answers with these bytes, and hangs up."""

    def talk(client: socket.socket) -> None:
        read_request(client)
        for piece in pieces:
            client.sendall(piece)

    return talk


def repeats(start: bytes, piece: bytes, seconds: float = 0.0) -> Talk:
    """Reads the request, then goes on saying one thing for as long as someone listens."""

    def talk(client: socket.socket) -> None:
        read_request(client)
        client.sendall(start)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            client.sendall(piece)
            if seconds:
                time.sleep(seconds)

    return talk


def hangs(client: socket.socket) -> None:
    """Takes the connection and the request, and says nothing."""
    while client.recv(65536):
        pass


def reads_nothing(client: socket.socket) -> None:
    time.sleep(3)


def drips_handshake(client: socket.socket) -> None:
    """Begins a TLS record of 16,000 bytes and sends one at a time."""
    client.sendall(b"\x16\x03\x03\x3e\x80")
    for _ in range(100):
        client.sendall(b"\x02")
        time.sleep(0.05)


def resets(client: socket.socket) -> None:
    read_request(client)
    reset(client)


def answers_unasked(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    reset(client)


def reset(client: socket.socket) -> None:
    """Has the connection end with a reset when it is closed."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def bomb() -> Talk:
    """Two hundred megabytes of nothing, gzipped."""
    body = gzip.compress(bytes(2_000_000)) * 100
    return says(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body), body)


def seconds_for(reason: str) -> float:
    """How long an exchange may take: little where its deadline ends it, more than enough where something else does."""
    return 0.4 if reason == "read_timeout" else 5.0


# What each does, and how the exchange with it fails.
SERVERS: dict[str, tuple[Talk, str]] = {
    "hangs after it accepts": (hangs, "read_timeout"),
    "drips its head": (repeats(OK, b"X-A: b\r\n", 0.05), "read_timeout"),
    "drips a header's bytes": (repeats(OK + b"X-A: ", b"b", 0.05), "read_timeout"),
    "drips its body": (repeats(OK + b"Content-Length: 5000\r\n\r\n", b"b", 0.05), "read_timeout"),
    "drips chunks": (repeats(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", 0.05), "read_timeout"),
    "drips a body without a length": (repeats(OK + b"\r\n", b"b", 0.05), "read_timeout"),
    "drips interim answers": (repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05), "read_timeout"),
    "sends headers without end": (repeats(OK, b"X-A: " + b"b" * 1000 + b"\r\n"), "answer_too_large"),
    "sends one header without end": (repeats(OK + b"X-A: ", b"b" * 60_000), "answer_too_large"),
    "sends interim answers without end": (repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), "answer_too_large"),
    "announces 300 MB": (repeats(OK + b"Content-Length: 300000000\r\n\r\n", bytes(65536)), "answer_too_large"),
    "sends 300 MB in chunks": (
        repeats(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(65536) + b"\r\n"),
        "answer_too_large",
    ),
    "announces a chunk of 4 GB": (
        repeats(OK + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", bytes(65536)),
        "answer_too_large",
    ),
    "sends a body without end": (repeats(OK + b"\r\n", bytes(65536)), "answer_too_large"),
    "sends trailers without end": (
        repeats(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 100),
        "answer_too_large",
    ),
    "sends a gzip bomb": (bomb(), "unreadable_answer"),
    "breaks off its body": (says(OK + b"Content-Length: 100\r\n\r\n{"), "connection_lost"),
    "breaks off a chunk": (says(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{"), "connection_lost"),
    "breaks off its head": (says(OK + b"Content-"), "connection_lost"),
    "breaks off between two headers": (says(OK + b"X-A: b\r\n"), "connection_lost"),
    "speaks no HTTP": (says(b"220 mail.example ESMTP\r\n\r\n"), "unreadable_answer"),
    "sends garbage": (says(bytes(range(256)) * 4 + b"\r\n\r\n"), "unreadable_answer"),
    "sends a garbled status": (says(b"HTTP/1.1 2OO OK\r\n\r\n"), "unreadable_answer"),
    "switches protocols": (says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), "unreadable_answer"),
    "hints early": (
        says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK + b"Content-Length: 2\r\n\r\n{}"),
        "unreadable_answer",
    ),
    "sends more headers than anyone needs": (says(OK + b"X-A: b\r\n" * 200 + b"\r\n"), "unreadable_answer"),
    "sends a line that is no header": (says(OK + b"nonsense\r\nContent-Length: 0\r\n\r\n"), "unreadable_answer"),
    "sends a length that is none": (says(OK + b"Content-Length: +2\r\n\r\n{}"), "unreadable_answer"),
    "sends one length twice": (
        says(OK + b"Content-Length: 2\r\nContent-Length: 2\r\n" + b"\r\n{}"),
        "unreadable_answer",
    ),
    "sends a header without a name": (says(OK + b": b\r\n\r\n"), "unreadable_answer"),
    "sends two lengths": (says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), "unreadable_answer"),
    "sends a length and chunks": (
        says(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        "unreadable_answer",
    ),
    "sends a negative length": (says(OK + b"Content-Length: -1\r\n\r\n"), "unreadable_answer"),
    "sends a negative chunk": (says(OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n"), "unreadable_answer"),
    "sends a chunk of no size": (says(OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), "unreadable_answer"),
    "sends a longer chunk than it says": (
        says(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabcxyz\r\n0\r\n\r\n"),
        "unreadable_answer",
    ),
    "names an unknown coding": (says(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "unreadable_answer"),
    "resets": (resets, "connection_lost"),
    "closes without a word": (says(), "connection_lost"),
}
