"""A provider's server on loopback, for adapters' tests: it answers what it is told and keeps what it was asked."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Answer, Client
from providers.adapter import Call
from providers.intents import INTENTS


def call(intent: str, payload: dict[str, Any] | None = None, **secrets: str) -> Call:
    """A call of this intent with its example as payload, unless another is given."""
    given = INTENTS[intent].example if payload is None else payload
    return Call(uuid4(), intent, given, Deadline.after(30), secrets=secrets, attempt_id=uuid4())


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class RedirectedClient(Client):
    """Sends to one server whatever host is named, with path and query as they are."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url

    def request(self, method: str, url: str, **kwargs: Any) -> Answer:
        asked = urlsplit(url)
        return super().request(
            method, self.base_url + asked.path + (f"?{asked.query}" if asked.query else ""), **kwargs
        )


@dataclass
class AnsweringServer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, status: int, body: Any, **headers: str) -> None:
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def client(self) -> Client:
        return RedirectedClient(self.base_url)

    def start(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                server.asked.append(Asked(self.command, self.path, dict(self.headers), b"".join(self.pieces())))
                self.send_response(server.status)
                for name, value in {**server.headers, "Content-Length": str(len(server.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(server.body)

            def pieces(self) -> Iterator[bytes]:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
                    return
                while size := int(self.rfile.readline(), 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
