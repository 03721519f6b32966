"""A tenant's own receiver, on loopback, and the relay's and a worker's work done on the spot."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

from django.db import connections
from standardwebhooks import Webhook

from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import events
from integrationhub.outbox.models import OutboxMessage
from integrationhub.webhooks.telling import collecting, stints
from integrationhub.webhooks.telling.models import Delivery
from tests.make import Api


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def verified_by(self, secret: str) -> Any:
        """The body, after Standard Webhooks' own library found it signed with this secret; raises otherwise."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """`answer` tells status, headers and body for each request; it may wait, or raise to drop the connection."""

    url: str = ""
    answer: Callable[[Received], tuple[int, dict[str, str]]] = lambda received: (204, {})
    received: list[Received] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def types(self) -> list[str]:
        return [each.told["type"] for each in self.received]

    def says(self, status: int, **headers: str) -> None:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = lambda received: (status, told)


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            with receiver.lock:
                receiver.received.append(received)
            try:
                status, headers = receiver.answer(received)
            finally:
                connections.close_all()  # Of this thread, where the answer looked something up.
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silence."""

    return Handler


@contextmanager
def a_receiver(port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(receiver))
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks/of-a-tenant"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def subscribe(api: Api, receiver: Receiver, *event_types: str, **more: Any) -> dict[str, Any]:
    body = {"url": receiver.url, "event_types": list(event_types or ["*"]), **more}
    answer = api.post("/webhook-subscriptions", body)
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def happen(tenant: UUID, kind: str = "credential.recovered", **data: Any) -> None:
    with tenant_scope(tenant):
        events.publish(tenant_id=tenant, kind=kind, **data)


def work_off() -> int:
    """What the relay and the workers do of what is due; returns how many turns that took."""
    collecting.collect()
    waiting = OutboxMessage.objects.using("system").filter(task=collecting.TASK)
    done = list(waiting)
    for each in done:
        stints.run(each.tenant_id, UUID(each.arguments["subscription_id"]), each.arguments["take"])
    waiting.filter(id__in=[each.id for each in done]).delete()
    return len(done)


def deliveries(tenant: UUID) -> list[Delivery]:
    return list(Delivery.objects.using("system").for_tenant(tenant).order_by("id"))


def later(seconds: float) -> None:
    """So much time passes, as far as these rows are concerned."""
    run("UPDATE telling_delivery SET due_at = due_at - make_interval(secs => %s)", seconds)
    run(
        """UPDATE telling_subscription SET free_at = free_at - make_interval(secs => %(s)s),
           failing_since = failing_since - make_interval(secs => %(s)s),
           last_failed_at = last_failed_at - make_interval(secs => %(s)s),
           previous_until = previous_until - make_interval(secs => %(s)s),
           older_until = older_until - make_interval(secs => %(s)s)""",
        {"s": seconds},
    )


def run(statement: str, *values: Any) -> None:
    with connections["system"].cursor() as cursor:
        cursor.execute(statement, values[0] if values and isinstance(values[0], dict) else list(values))
