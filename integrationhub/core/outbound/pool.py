"""Connections that are kept open between exchanges."""

import select
import socket
import ssl
import threading
import time
import weakref
from typing import NamedTuple

from integrationhub.core.outbound.dialling import Origin

MOST_IDLE = 64
# Shorter than what NAT gateways and load balancers forget silently.
IDLE_SECONDS = 30.0


class _Idle(NamedTuple):
    origin: Origin
    sock: socket.socket
    since: float


class Pool:
    """The idle connections of all origins together, the latest last; safe to share between threads."""

    def __init__(self) -> None:
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def take(self, origin: Origin) -> socket.socket | None:
        """The connection to this origin that was used last, if it is still open."""
        while idle := self._latest(origin):
            if time.monotonic() - idle.since < IDLE_SECONDS and _is_quiet(idle.sock):
                return idle.sock
            idle.sock.close()
        return None

    def put(self, origin: Origin, sock: socket.socket) -> None:
        """Keep a connection whose last answer has been read to its end; the oldest make room."""
        now = time.monotonic()
        with self._lock:
            self._idle.append(_Idle(origin, sock, now))
            while len(self._idle) > MOST_IDLE or now - self._idle[0].since > IDLE_SECONDS:
                self._idle.pop(0).sock.close()

    def _latest(self, origin: Origin) -> _Idle | None:
        with self._lock:
            for at in range(len(self._idle) - 1, -1, -1):
                if self._idle[at].origin == origin:
                    return self._idle.pop(at)
        return None


def _is_quiet(sock: socket.socket) -> bool:
    """Nothing to read: neither the other side's closing nor bytes that belong to no request of ours."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return not poll.poll(0)


def _close_all(idle: list[_Idle]) -> None:
    for each in idle:
        each.sock.close()
