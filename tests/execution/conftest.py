"""A tenant on the free tier with one live provider, whose server counts what reaches it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

import marketplace.seeding
import providers.seeding
from providers import registry
from tests.make import Api


class _Server(ThreadingHTTPServer):
    # The kernel drops what comes beyond, and a connection dropped is tried again a second later.
    request_queue_size = 128
    daemon_threads = True


class ProviderServer:
    """A provider on loopback: keeps each body, answers with `status` after `delay` seconds or when `released`."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status, self.delay = 200, 0.0
        self.reference: str | None = None
        self.while_acting: Callable[[], None] = lambda: None
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                server.headers.append(dict(self.headers))
                server.while_acting()
                server.released.wait(server.delay)
                body = json.dumps({"id": server.reference or f"m-{len(server.received)}"}).encode()
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/send"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    server = ProviderServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def loopback_adapters(settings: Settings) -> Iterator[None]:
    settings.ADAPTER_MODULES = [*settings.ADAPTER_MODULES, "tests.loopback_adapter"]
    registry.load()
    providers.seeding.seed()
    marketplace.seeding.seed()
    yield
    settings.ADAPTER_MODULES = settings.ADAPTER_MODULES[:-1]
    registry.load()


@pytest.fixture
def live(api: Api, tenant: UUID, server: ProviderServer) -> Api:
    """The caller of a tenant that has the loopback provider installed."""
    body = {"config": {"url": server.url}, "priority": 10}
    assert api.post("/marketplace/integrations/loopback_sms/install", body).status_code == 201
    return api


@pytest.fixture
def needs_key(api: Api, server: ProviderServer) -> Api:
    body = {"config": {"url": server.url}, "priority": 1}
    assert api.post("/marketplace/integrations/loopback_keyed_sms/install", body).status_code == 201
    return api


def bind(api: Api, **more: Any) -> None:
    body = {"provider_key": "loopback_keyed_sms", "credentials": {"api_key": "key-for-the-loopback"}, **more}
    assert api.post("/credentials/bind", body).status_code == 201
