"""What bounds an exchange: one deadline over every byte of it, and a cap on what is read.

HTTP libraries bound each read or write by itself. So here the sockets ask the exchange of their thread how long they
may still take: whatever library speaks through them is bounded as a whole. Outside of an exchange they carry nothing.
"""

import io
import math
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound.errors import AnswerLost, NotSent, OutboundError

MAX_HEAD_BYTES = 64 * 1024
# At most one TLS record: when the first piece fails, nothing arrived that the other side could read.
_SEND_BYTES = 16 * 1024


class Exchange:
    """One request and its answer. `allowance` is the bytes that may still come, `lost` how the connection ended
    (`read_timeout`, `connection_lost`) once it has."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline, self.allowance = deadline, MAX_HEAD_BYTES
        self.is_sent, self.lost = False, ""

    def failure(self) -> OutboundError:
        """What became of it. When nothing befell the connection, what came over it was no answer."""
        if self.is_sent:
            return AnswerLost(self.lost or "unreadable_answer")
        return NotSent("connect_timeout" if self.lost == "read_timeout" else "not_connected")

    def seconds(self) -> float:
        """Seconds left. Raises TimeoutError."""
        if left := self.deadline.remaining():
            return left
        raise TimeoutError

    def note_received(self, count: int) -> None:
        """So many bytes came; none is the end. Raises AnswerLost (`answer_too_large`)."""
        if not count:
            self.lost = "connection_lost"
        self.allowance -= count
        if self.allowance < 0:
            raise AnswerLost("answer_too_large")

    def note_error(self, error: OSError) -> None:
        self.lost = "read_timeout" if isinstance(error, TimeoutError) else "connection_lost"


_exchange: ContextVar[Exchange] = ContextVar("exchange")
# The exchange that this thread is in. Raises LookupError outside of one.
current = _exchange.get


@contextmanager
def exchanging(deadline: Deadline) -> Iterator[Exchange]:
    """Bounds whatever is sent and received in the block."""
    token = _exchange.set(exchange := Exchange(deadline))
    try:
        yield exchange
    finally:
        _exchange.reset(token)


class BoundedSocket(socket.socket):
    """A TCP connection with no other time limit than that of the exchange it serves, in whatever `http.client` uses:
    sending, and `recv_into` by way of `makefile`.

    It never blocks by itself: it tries, and waits by `poll` for as long as the exchange may. Python's own time limit
    would be set anew for each step, and each costs a call of the system that lets other threads run in between.
    """

    # Something went wrong, or bytes came that belong to no request of ours: not to be used for another exchange.
    is_spent = False
    is_reading = True
    used_at = 0.0
    # False in a conversation, where each line leaves at once.
    is_holding = True
    # What is to be sent, until the answer is to be read or a piece is full: head and body leave together.
    _held = b""

    @classmethod
    def taking_over(cls, sock: socket.socket) -> "BoundedSocket":
        """The same connection; `sock` is none any more."""
        bounded = cls(sock.family, sock.type, sock.proto, fileno=sock.detach())
        bounded.setblocking(False)
        return bounded

    def settimeout(self, value: float | None) -> None:
        """Without effect on a connection that is made: libraries set a limit of their own, or none, before each answer,
        and either would make it block."""
        if self.gettimeout() != 0.0:
            super().settimeout(value)

    def send(self, data: Any, flags: int = 0) -> int:
        count: int = self._step(super().send, select.POLLOUT, data, flags)
        current().is_sent = True
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._held += data
        if len(self._held) >= _SEND_BYTES or not self.is_holding:
            self._send_held()

    def _send_held(self) -> None:
        rest, self._held = memoryview(self._held), b""
        while rest:
            rest = rest[self.send(rest[:_SEND_BYTES]) :]

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if not self.is_reading:
            return 0
        count: int = self._step(super().recv_into, select.POLLIN, buffer, nbytes or 0, flags)
        current().note_received(count)
        return count

    def _step(self, act: Callable[..., int], event: int, *args: Any) -> int:
        """Do it within the time of the exchange. An answer is waited for first, since it is never there at once."""
        exchange = current()
        waits_for = event if event == select.POLLIN and not self.unread() else None
        try:
            while True:
                if waits_for is not None:
                    self._wait(waits_for, exchange.seconds())
                try:
                    return act(*args)
                except (BlockingIOError, ssl.SSLWantWriteError):
                    waits_for = event
                except ssl.SSLWantReadError:
                    waits_for = select.POLLIN
                exchange.seconds()
        except OSError as error:
            self.is_spent = True
            exchange.note_error(error)
            raise

    def _wait(self, event: int, seconds: float) -> None:
        """Raises TimeoutError."""
        poll = select.poll()
        poll.register(self.fileno(), event)
        if not poll.poll(math.ceil(seconds * 1000)):
            raise TimeoutError

    def unread(self) -> int:
        """Bytes that came and were decrypted, but not received."""
        return 0

    def makefile(self, *args: Any, **kwargs: Any) -> Any:
        """What `http.client` reads one answer from."""
        # Whatever became of this, the answer decides: a server may have sent one before it hung up.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._send_held()
        self.is_reading = True
        return _Reader(self, super().makefile("rb", buffering=0))


class _Reader(io.BufferedReader):
    """Closed when the answer is whole. What it holds then was sent by nobody we asked: the connection is spent."""

    def __init__(self, sock: BoundedSocket, raw: Any) -> None:
        super().__init__(raw)
        self._sock = sock

    def close(self) -> None:
        if not self.closed:
            self._sock.is_reading, self._sock.used_at = False, time.monotonic()
            self._sock.is_spent = self._sock.is_spent or bool(self.peek() or self._sock.unread())
        super().close()


class BoundedTLSSocket(BoundedSocket, ssl.SSLSocket):
    """The same over TLS, for `SSLContext.sslsocket_class`."""

    def unread(self) -> int:
        return self.pending()
