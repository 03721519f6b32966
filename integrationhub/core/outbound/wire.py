"""One HTTP/1.1 exchange (RFC 9112) on one connection: every byte before the deadline, and no more than a cap of them.

Strict where leniency would let one answer be taken for another: what is left over on a connection, two lengths that
differ, or an interim answer that nobody asked for must never end up in the next exchange.
"""

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound.errors import AnswerLost

MAX_HEAD_BYTES = 64 * 1024
MAX_TRAILER_BYTES = 8 * 1024
_RECEIVE_BYTES = 64 * 1024
# At most one TLS record: when the first piece fails, nothing arrived that the other side could read.
_SEND_BYTES = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?")
_FOLD = re.compile(rb"\r\n[ \t]+")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")


class Headers(Mapping[str, str]):
    """Looked up in any case; what came more than once is joined by commas."""

    def __init__(self, lines: list[bytes]) -> None:
        self._values: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not name or name != name.strip():
                raise AnswerLost("unreadable_answer")
            key, value = name.lower(), value.strip()
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Head:
    status: int
    is_http_1_1: bool
    headers: Headers

    @property
    def keeps_connection(self) -> bool:
        return self.is_http_1_1 and "close" not in self.headers.get("connection", "").lower()


class Exchange:
    """Sends one request and reads its answer. Raises AnswerLost for what is no answer, OSError (TimeoutError too) for
    what became of the connection; `is_sent` then tells whether anything of the request can have arrived."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline
        self._received = bytearray()
        self.is_sent = self.is_reusable = False

    def run(self, method: str, request: bytes, max_bytes: int) -> tuple[Head, bytes]:
        is_taken = self._send(request)
        head = self._head()
        if head.headers.get("content-encoding", "identity").lower() != "identity":
            raise AnswerLost("unreadable_answer")
        length = _length(method, head)
        if length is not None and length > max_bytes:
            raise AnswerLost("answer_too_large")
        body = self._body(head, length, max_bytes)
        self.is_reusable = is_taken and head.keeps_connection and not self._received and length != _UNTIL_CLOSE
        return head, body

    def _send(self, request: bytes) -> bool:
        """Whether all of it was taken. A server may answer, say 413, and close before it has read the whole."""
        rest = memoryview(request)
        try:
            while rest:
                self._sock.settimeout(self._left())
                rest = rest[self._sock.send(rest[:_SEND_BYTES]) :]
                self.is_sent = True
        except (BrokenPipeError, ConnectionResetError):
            if not self.is_sent:
                raise
        return not rest

    def _head(self) -> Head:
        """The head of the final answer; interim ones (1xx) before it are passed over, all within one cap."""
        left = MAX_HEAD_BYTES
        while True:
            block = self._until(b"\r\n\r\n", left)
            left -= len(block)
            status_line, *lines = _FOLD.sub(b" ", block).split(b"\r\n")
            if not (match := _STATUS_LINE.fullmatch(status_line)) or match[2] == b"101":
                raise AnswerLost("unreadable_answer")
            if (status := int(match[2])) >= 200:
                return Head(status, match[1] == b"1", Headers(lines))

    def _body(self, head: Head, length: int | None, max_bytes: int) -> bytes:
        if length is None:
            return self._chunks(max_bytes)
        if length == _UNTIL_CLOSE:
            while self._receive():
                if len(self._received) > max_bytes:
                    raise AnswerLost("answer_too_large")
            return self._take(len(self._received))
        return self._exactly(length)

    def _chunks(self, max_bytes: int) -> bytes:
        body = bytearray()
        while True:
            match = _CHUNK_SIZE.fullmatch(self._until(b"\r\n", 1024))
            if not match:
                raise AnswerLost("unreadable_answer")
            if not (size := int(match[1], 16)):
                break
            if len(body) + size > max_bytes:
                raise AnswerLost("answer_too_large")
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise AnswerLost("unreadable_answer")
        left = MAX_TRAILER_BYTES
        while line := self._until(b"\r\n", left):
            left -= len(line)
        return bytes(body)

    def _until(self, mark: bytes, most: int) -> bytes:
        """What comes before the mark, which is taken off too."""
        start = 0
        while (at := self._received.find(mark, start)) < 0 and len(self._received) <= most:
            start = max(0, len(self._received) - len(mark) + 1)
            self._receive_or_fail()
        if not 0 <= at <= most:
            raise AnswerLost("answer_too_large")
        block = self._take(at)
        del self._received[: len(mark)]
        return block

    def _exactly(self, length: int) -> bytes:
        while len(self._received) < length:
            self._receive_or_fail()
        return self._take(length)

    def _take(self, length: int) -> bytes:
        taken = bytes(self._received[:length])
        del self._received[:length]
        return taken

    def _receive_or_fail(self) -> None:
        if not self._receive():
            raise AnswerLost("connection_lost")

    def _receive(self) -> bool:
        """Take in what has come; False once the other side has closed."""
        self._sock.settimeout(self._left())
        data = self._sock.recv(_RECEIVE_BYTES)
        self._received += data
        return bool(data)

    def _left(self) -> float:
        left = self._deadline.remaining()
        if left <= 0:
            raise TimeoutError
        return left


_UNTIL_CLOSE = -1


def _length(method: str, head: Head) -> int | None:
    """Bytes of the body; None for chunks, `_UNTIL_CLOSE` where only the end of the connection ends it."""
    if method == "HEAD" or head.status in (204, 304):
        return 0
    if coding := head.headers.get("transfer-encoding"):
        if coding.lower() != "chunked" or "content-length" in head.headers:
            raise AnswerLost("unreadable_answer")
        return None
    if "content-length" not in head.headers:
        return _UNTIL_CLOSE
    lengths = {value.strip() for value in head.headers["content-length"].split(",")}
    length = lengths.pop()
    if lengths or not re.fullmatch("[0-9]{1,18}", length):
        raise AnswerLost("unreadable_answer")
    return int(length)
