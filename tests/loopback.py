"""No test talks to another host: whatever dials one is stopped, and fails, wherever it may be caught."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from integrationhub.core.outbound import addresses

_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


@contextmanager
def only() -> Iterator[None]:
    """Python's sockets connect to loopback, and to the Redis that this run was given; the one outside of Python is
    PostgreSQL's."""
    server = urlsplit(os.environ["REDIS_URL"]).hostname
    own = {found[4][0] for found in socket.getaddrinfo(server, None)} if server else set()

    def connect(self: socket.socket, address: Any) -> None:
        _examine(self, address, own)
        _connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _examine(self, address, own)
        return _connect_ex(self, address)

    with patch.object(socket.socket, "connect", connect), patch.object(socket.socket, "connect_ex", connect_ex):
        yield


def _examine(sock: socket.socket, address: Any, own: set[Any]) -> None:
    if sock.family == socket.AF_UNIX or address[0] in {*own, "localhost"}:
        return
    try:
        is_loopback = addresses.parse(address[0]).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        sock.close()
        # Raised past `except Exception`: the code under test would take an ordinary error for a refusal.
        pytest.fail(f"A test connects to {address[0]}:{address[1]}. Let it talk to a server of its own, on 127.0.0.1.")
