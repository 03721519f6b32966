"""One tenant's slow calls against another tenant's quick one, on the real server."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from http.client import HTTPConnection, HTTPException
from uuid import UUID

import pytest

from tests.execution.conftest import ProviderServer
from tests.launcher.running import eventually
from tests.make import Api, another_tenant, sms, token
from tests.serving import Served, serving

pytestmark = pytest.mark.slow

EXECUTE = "/integrationhub/v1/execute"


def a_server(threads: int) -> AbstractContextManager[Served]:
    """One process with so many threads."""
    return serving("tests.execution.served:application", WEB_THREADS=str(threads))


def headers(tenant: UUID) -> dict[str, str]:
    named = {"Authorization": f"Bearer {token(tenant)}", "x-tenant-id": str(tenant)}
    return {**named, "Content-Type": "application/json"}


def execute(port: int, tenant: UUID, path: str = EXECUTE) -> int:
    """The status of one execution's answer; 0 when the connection closed without one."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, json.dumps(sms()), headers(tenant))
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def park_by_hand(port: int, tenant: UUID, *more: str) -> socket.socket:
    """Send an execution, its body apart from its head, and do not wait for the answer."""
    body = json.dumps(sms()).encode()
    lines = [f"POST {EXECUTE} HTTP/1.1", "Host: localhost", *more]
    lines += [f"{name}: {value}" for name, value in headers(tenant).items()]
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not more:
        lines.append(f"Content-Length: {len(body)}")
    else:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    time.sleep(0.2)
    sock.sendall(body)
    return sock


def install(api: Api, server: ProviderServer) -> None:
    body = {"config": {"url": server.url}, "priority": 10}
    assert api.post("/marketplace/integrations/loopback_sms/install", body).status_code == 201


@pytest.fixture
def hog(server: ProviderServer) -> UUID:
    """A tenant whose provider takes two seconds."""
    server.delay = 2.0
    api = another_tenant()
    install(api, server)
    return api.tenant


@pytest.fixture
def quick() -> Iterator[ProviderServer]:
    server = ProviderServer()
    yield server
    server.close()


def calls(pool: ThreadPoolExecutor, how_many: int, port: int, tenant: UUID) -> "list[Future[int]]":
    return [pool.submit(execute, port, tenant) for _ in range(how_many)]


def test_thirty_slow_calls_of_one_tenant_keep_no_other_waiting(
    hog: UUID, server: ProviderServer, api: Api, quick: ProviderServer
) -> None:
    install(api, quick)
    with a_server(16) as served, ThreadPoolExecutor(30) as pool:
        assert execute(served.port, api.tenant) == 200
        slow = calls(pool, 30, served.port, hog)
        eventually(lambda: len(server.received) >= 12, seconds=5, what="as many slow calls as may be")
        took = []
        for _ in range(5):
            begun = time.monotonic()
            assert execute(served.port, api.tenant) == 200
            took.append(time.monotonic() - begun)
            time.sleep(0.1)
        assert len(server.received) == 12, "The hog's others wait."
        assert max(took) < 0.5
        assert [call.result() for call in slow] == [200] * 30
    assert len(server.received) == 30


def test_a_tenant_is_one_however_its_id_and_the_path_are_spelled(
    hog: UUID, server: ProviderServer, api: Api, quick: ProviderServer
) -> None:
    install(api, quick)
    with a_server(4) as served, ThreadPoolExecutor(9) as pool:
        slow = calls(pool, 3, served.port, hog)
        eventually(lambda: len(server.received) == 3, seconds=5, what="as many slow calls as may be")
        slow.append(pool.submit(execute, served.port, UpperCased(str(hog))))
        slow.append(pool.submit(execute, served.port, hog, "/integrationhub/v1/ex%65cute"))
        time.sleep(0.5)
        assert len(server.received) == 3
        assert [call.result() for call in slow] == [200] * 5


class UpperCased(UUID):
    """The same id, told in upper case."""

    def __str__(self) -> str:
        return super().__str__().upper()


def test_who_hangs_up_while_parked_is_never_sent(hog: UUID, server: ProviderServer) -> None:
    with a_server(4) as served, ThreadPoolExecutor(4) as pool:
        slow = calls(pool, 3, served.port, hog)
        eventually(lambda: len(server.received) == 3, seconds=5, what="three slow calls")
        park_by_hand(served.port, hog).close()
        assert [call.result() for call in slow] == [200] * 3
        assert execute(served.port, hog) == 200
    assert len(server.received) == 4


def test_a_parked_body_in_chunks_and_a_second_request_behind_it_are_served(hog: UUID, server: ProviderServer) -> None:
    with a_server(4) as served, ThreadPoolExecutor(4) as pool:
        slow = calls(pool, 3, served.port, hog)
        eventually(lambda: len(server.received) == 3, seconds=5, what="three slow calls")
        with park_by_hand(served.port, hog, "Transfer-Encoding: chunked") as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            said = b""
            while piece := sock.recv(65536):
                said += piece
        assert [call.result() for call in slow] == [200] * 3
    assert said.count(b"HTTP/1.1 200") == 2, said
    assert len(server.received) == 4


def test_a_server_that_ends_leaves_nobody_hanging_and_begins_nothing_that_it_cannot_end(
    hog: UUID, server: ProviderServer
) -> None:
    server.delay = 6.0
    with a_server(4) as served, ThreadPoolExecutor(9) as pool:
        slow = calls(pool, 9, served.port, hog)
        eventually(lambda: len(server.received) == 3, seconds=5, what="three slow calls")
        time.sleep(0.5)
        begun = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        statuses = [call.result() for call in slow]
        with suppress(subprocess.TimeoutExpired):
            served.process.wait(20)
        assert time.monotonic() - begun < 8
        assert sorted(statuses) == [0] * 6 + [200] * 3
    assert len(server.received) == 3


def test_a_server_that_ends_lets_the_parked_go_on_while_there_is_time(hog: UUID, server: ProviderServer) -> None:
    with a_server(4) as served, ThreadPoolExecutor(6) as pool:
        slow = calls(pool, 6, served.port, hog)
        eventually(lambda: len(server.received) == 3, seconds=5, what="three slow calls")
        time.sleep(0.5)
        served.process.send_signal(signal.SIGTERM)
        assert [call.result() for call in slow] == [200] * 6
        assert served.process.wait(8) == 0
