"""A server on loopback that stands in for all eight providers: it answers what a test tells it, and keeps what it was
asked. The table leads to it by OAUTH_PROVIDERS_FILE, with the host that it stands in for as the first part of the path.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db import connections

from oauth.table import shipped


@dataclass(frozen=True)
class Asked:
    """One request, taken apart; `form` and `query` hold one value for each name."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        assert self.headers["content-type"] == "application/x-www-form-urlencoded"
        return _single(self.body.decode())


@dataclass
class StandIn:
    """`answers` holds (status, headers, body) for "METHOD host/path"; what is not there is answered with 404.
    `meanwhile` is what happens elsewhere while it thinks."""

    meanwhile: Callable[[], None] = field(default=lambda: None)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, place: str, body: Any, status: int = 200, **headers: str) -> None:
        """`body` is JSON unless it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if isinstance(body, bytes) else {"Content-Type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[place] = (status, {**kind, **named}, content)

    @property
    def only(self) -> Asked:
        [asked] = self.asked
        return asked

    @property
    def places(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def running() -> Iterator[StandIn]:
    server = StandIn()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def overlay(base_url: str) -> str:
    """YAML that leads every address of the table to `base_url`."""

    def led(value: Any) -> Any:
        if isinstance(value, dict):
            found = {name: led(each) for name, each in value.items()}
            return {name: each for name, each in found.items() if each is not None}
        is_address = isinstance(value, str) and value.startswith("https://")
        return value.replace("https://", f"{base_url}/", 1) if is_address else None

    # JSON is YAML, and is written faster.
    return json.dumps({key: led({k: v for k, v in row.items() if k != "issuers"}) for key, row in shipped().items()})


def _single(query: str) -> dict[str, str]:
    values = parse_qs(query, keep_blank_values=True, strict_parsing=True) if query else {}
    assert all(len(each) == 1 for each in values.values()), query
    return {name: value for name, [value] in values.items()}


def _handler(server: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            where = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            path = where.path.removeprefix("/")
            server.asked.append(Asked(self.command, path, _single(where.query), headers, body))
            try:
                server.meanwhile()
            finally:
                connections.close_all()
            status, told, content = server.answers.get(f"{self.command} {path}", (404, {}, b"no such place"))
            self.send_response(status)
            for name, value in {**told, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
