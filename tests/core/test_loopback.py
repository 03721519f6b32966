"""The tests' own guard: what dials another host does not pass unnoticed."""

import re
import socket

import pytest

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Client
from tests.core.servers import RawServer, ok

ELSEWHERE = "192.0.2.1"  # Nobody's: https://www.rfc-editor.org/rfc/rfc5737
STOPPED = re.escape(f"connects to {ELSEWHERE}:443")


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_another_host_is_not_connected_to(method: str) -> None:
    with socket.socket() as sock, pytest.raises(pytest.fail.Exception, match=STOPPED):
        getattr(sock, method)((ELSEWHERE, 443))


def test_a_client_cannot_take_it_for_a_refusal() -> None:
    client = Client(is_guarded=False, resolve=lambda *_: [ELSEWHERE])
    with pytest.raises(pytest.fail.Exception, match=STOPPED):
        client.request("GET", "https://one.example/", deadline=Deadline.after(0.2))


def test_loopback_is_open() -> None:
    with RawServer(ok(b"{}")) as server:
        assert Client().request("GET", server.url, deadline=Deadline.after(10)).status == 200
