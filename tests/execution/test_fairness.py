"""One tenant's slow calls against another tenant's quick one, on the real server."""

import json
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from uuid import UUID

import pytest

from tests.execution.conftest import ProviderServer
from tests.launcher.running import eventually
from tests.make import Api, another_tenant, sms, token
from tests.serving import Served, serving

pytestmark = pytest.mark.slow

EXECUTE = "/integrationhub/v1/execute"
BODY = json.dumps(sms()).encode()


def a_server(threads: int) -> AbstractContextManager[Served]:
    """One process with so many threads."""
    return serving("tests.execution.served:application", WEB_THREADS=str(threads))


def headers(tenant: UUID) -> dict[str, str]:
    named = {"Authorization": f"Bearer {token(tenant)}", "x-tenant-id": str(tenant)}
    return {**named, "Content-Type": "application/json"}


class Call:
    """An execution that has been sent, and whose answer is not waited for yet."""

    def __init__(self, port: int, tenant: UUID, path: str = EXECUTE) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.request("POST", path, BODY, headers(tenant))

    def has_been_read(self) -> bool:
        return has_been_read(self._connection.sock, but=len(BODY))

    def status(self) -> int:
        """Of its answer; 0 when the connection closed without one."""
        try:
            answer = self._connection.getresponse()
            answer.read()
            return answer.status
        except (ConnectionError, HTTPException):
            return 0
        finally:
            self._connection.close()


def execute(port: int, tenant: UUID) -> int:
    return Call(port, tenant).status()


def has_been_read(sock: socket.socket, but: int = 0) -> bool:
    """Whether the server has accepted the connection and read what was sent over it, but so many bytes of a body."""
    ours, its = sock.getsockname(), sock.getpeername()
    # Local and remote address, state, bytes not sent or not acknowledged: not read; ..., inode: 0 until it is accepted.
    # https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    waits = {(row[1], row[2]): (*(int(count, 16) for count in row[4].split(":")), row[9]) for row in rows}
    unsent, _, _ = waits[as_the_kernel_writes(ours), as_the_kernel_writes(its)]
    _, unread, inode = waits[as_the_kernel_writes(its), as_the_kernel_writes(ours)]
    return unsent == 0 and unread <= but and inode != "0"


def as_the_kernel_writes(address: tuple[str, int]) -> str:
    return f"{int.from_bytes(socket.inet_aton(address[0]), sys.byteorder):08X}:{address[1]:04X}"


def park_by_hand(port: int, tenant: UUID, *more: str) -> socket.socket:
    """Send an execution, its body apart from its head, and do not wait for the answer."""
    body = BODY
    lines = [f"POST {EXECUTE} HTTP/1.1", "Host: localhost", *more]
    lines += [f"{name}: {value}" for name, value in headers(tenant).items()]
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not more:
        lines.append(f"Content-Length: {len(body)}")
    else:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    eventually(lambda: has_been_read(sock), seconds=20, what="a head that is read")
    sock.sendall(body)
    return sock


def install(api: Api, server: ProviderServer) -> None:
    body = {"config": {"url": server.url}, "priority": 10}
    assert api.post("/marketplace/integrations/loopback_sms/install", body).status_code == 201


@pytest.fixture
def hog(server: ProviderServer) -> UUID:
    """A tenant whose provider holds each call until it is `released`: nearly as long as the hub waits for it."""
    server.delay = 7.0
    api = another_tenant()
    install(api, server)
    return api.tenant


@pytest.fixture
def quick() -> Iterator[ProviderServer]:
    server = ProviderServer()
    yield server
    server.close()


def calls(how_many: int, port: int, tenant: UUID) -> list[Call]:
    return [Call(port, tenant) for _ in range(how_many)]


def three_slow_calls(server: ProviderServer, served: Served, tenant: UUID) -> list[Call]:
    """As many as one tenant may have of a server with four threads; the provider has got them."""
    slow = calls(3, served.port, tenant)
    eventually(lambda: len(server.received) == 3, seconds=6, what="as many slow calls as may be")
    return slow


def three_parked_calls(served: Served, tenant: UUID) -> list[Call]:
    parked = calls(3, served.port, tenant)
    eventually(lambda: all(call.has_been_read() for call in parked), seconds=6, what="calls that are parked")
    return parked


def test_thirty_slow_calls_of_one_tenant_keep_no_other_waiting(
    hog: UUID, server: ProviderServer, api: Api, quick: ProviderServer
) -> None:
    install(api, quick)
    with a_server(16) as served:
        assert execute(served.port, api.tenant) == 200
        slow = calls(30, served.port, hog)
        eventually(lambda: len(server.received) >= 12, seconds=6, what="as many slow calls as may be")
        for _ in range(5):
            assert execute(served.port, api.tenant) == 200
        assert len(server.received) == 12, "The hog's others wait, and none of these has ended yet."
        server.released.set()
        assert [call.status() for call in slow] == [200] * 30
    assert len(server.received) == 30


def test_a_tenant_is_one_however_its_id_and_the_path_are_spelled(hog: UUID, server: ProviderServer) -> None:
    with a_server(4) as served:
        slow = three_slow_calls(server, served, hog)
        slow.append(Call(served.port, UpperCased(str(hog))))
        slow.append(Call(served.port, hog, "/integrationhub/v1/ex%65cute"))
        time.sleep(0.5)
        assert len(server.received) == 3
        server.released.set()
        assert [call.status() for call in slow] == [200] * 5


class UpperCased(UUID):
    """The same id, told in upper case."""

    def __str__(self) -> str:
        return super().__str__().upper()


def test_who_hangs_up_while_parked_is_never_sent(hog: UUID, server: ProviderServer) -> None:
    with a_server(4) as served:
        slow = three_slow_calls(server, served, hog)
        park_by_hand(served.port, hog).close()
        server.released.set()
        assert [call.status() for call in slow] == [200] * 3
        assert execute(served.port, hog) == 200
    assert len(server.received) == 4


def test_a_parked_body_in_chunks_and_a_second_request_behind_it_are_served(hog: UUID, server: ProviderServer) -> None:
    with a_server(4) as served:
        slow = three_slow_calls(server, served, hog)
        with park_by_hand(served.port, hog, "Transfer-Encoding: chunked") as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            server.released.set()
            said = b""
            while piece := sock.recv(65536):
                said += piece
        assert [call.status() for call in slow] == [200] * 3
    assert said.count(b"HTTP/1.1 200") == 2, said
    assert len(server.received) == 4


def test_a_server_that_ends_leaves_nobody_hanging_and_begins_nothing_that_it_cannot_end(
    hog: UUID, server: ProviderServer
) -> None:
    with a_server(4) as served:
        slow = three_slow_calls(server, served, hog)
        parked = three_parked_calls(served, hog)
        begun = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert [call.status() for call in parked] == [0] * 3
        server.released.set()
        assert [call.status() for call in slow] == [200] * 3
        served.process.wait(20)
        assert time.monotonic() - begun < 8, "It ended by itself, before gunicorn's patience did."
    assert len(server.received) == 3


def test_a_server_that_ends_lets_the_parked_go_on_while_there_is_time(hog: UUID, server: ProviderServer) -> None:
    with a_server(4) as served:
        slow = three_slow_calls(server, served, hog)
        parked = three_parked_calls(served, hog)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(1.1)  # The worker looks once a second whether it is to end.
        server.released.set()
        assert [call.status() for call in slow + parked] == [200] * 6
        assert served.process.wait(20) == 0
