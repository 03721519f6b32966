"""No secret leaves: what is bound and used on every path is found nowhere that the hub speaks, keeps or passes on."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.crash.crowd import call
from tests.crash.scene import Scene, a_scene, children_of
from tests.isolation import channels
from tests.isolation.channels import found
from tests.launcher.running import eventually
from tests.providers.carriers import Asked, Told

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]

ORDER = {"category": "messaging", "intent": "message.send.sms", "payload": {"to": "+14155552671", "text": "canary"}}


@dataclass
class Flight:
    """A tenant whose secrets have been through everything; `answers` is all that callers were told."""

    scene: Scene
    secrets: dict[str, str]
    answers: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)

    def post(self, path: str, body: Any, **headers: str) -> int:
        token = self.scene.hub.up()["tokens"]["admin"]
        status, self.last = call(self.scene.hub, token, path, body, headers)
        self.answers.append(f"{status} {self.last}")
        return status

    def get(self, path: str) -> None:
        up = self.scene.hub.up()
        headers = {"Authorization": f"Bearer {up['tokens']['admin']}", "x-tenant-id": up["tenant_id"]}
        request = Request(f"{up['base_url']}/integrationhub/v1{path}", headers=headers)  # noqa: S310 - our own address
        with urlopen(request, timeout=20) as answer:  # noqa: S310 - our own address
            self.answers.append(answer.read().decode())

    def execute(self, answer: Callable[[Asked], Told], *expected: int, **options: Any) -> None:
        """One order while the first provider answers so; the second one is out of it."""
        self.scene.twilio.answer = answer
        options = {"providers": ["twilio_sms"], "timeout_ms": 3000, **options}
        assert self.post("/execute", {**ORDER, "options": options}) in expected, self.answers[-1]


def echo(status: int) -> Callable[[Asked], Told]:
    """A provider that repeats what it was sent, secrets included, in its error."""

    def answer(asked: Asked) -> Told:
        words = f"refused: {asked.headers} {asked.body!r}"
        return Told(status, {"code": 20003, "message": words, "status": status})

    return answer


@pytest.fixture(scope="module")
def flight() -> Iterator[Flight]:
    with a_scene() as scene:
        account, good, bad = "AC" + token_hex(16), token_hex(16), token_hex(16)
        flight = Flight(scene, {"auth_token": good, "refused_token": bad, "api_secret": scene.vonage.api_secret})
        flight.secrets["account_sid"] = account
        scene.twilio.account_sid, scene.twilio.auth_token = account, good
        with channels.overheard(scene.hub.up()["redis_url"]) as flight.commands:
            _fly(flight, account, good, bad)
        yield flight


def _fly(flight: Flight, account: str, good: str, bad: str) -> None:
    """Success, failure, time-out and crash, at once and later, bound well and badly."""
    bind = {"provider_key": "twilio_sms", "credentials": {"account_sid": account, "auth_token": bad}}
    flight.scene.twilio.answer = echo(401)
    assert flight.post("/credentials/bind", bind) == 400
    flight.scene.twilio.answer = None
    bind["credentials"] = {"account_sid": account, "auth_token": good}
    assert flight.post("/credentials/bind", bind, **{"Idempotency-Key": "canary-bind"}) == 201
    assert flight.post("/credentials/bind", {**bind, "credentials": {"auth_token": good, "sid": account}}) == 400
    accepted = flight.scene.twilio.acceptance
    flight.execute(accepted, 200)
    flight.execute(lambda asked: Told(200, repr((asked.headers, asked.body)).encode()), 503)
    for status in (400, 401, 403, 404, 429, 500, 503):
        flight.execute(echo(status), 400, 503)
    flight.execute(lambda asked: Told(0, drops=True), 503)
    flight.execute(lambda asked: Told(200, b"late", delay=4), 503, timeout_ms=1000)
    flight.scene.twilio.answer = None
    assert flight.post("/execute", ORDER, Prefer="respond-async") == 202
    _rotate(flight, account, good, bad)
    _crash(flight)
    for path in ("/executions", "/credentials", "/integrations/installed", "/usage", "/providers"):
        flight.get(path)


def _rotate(flight: Flight, account: str, good: str, bad: str) -> None:
    """The next version, refused and accepted; what is in use asked about, and the one before brought back."""
    twilio = flight.scene.twilio
    assert flight.post("/credentials/bind", {"provider_key": "twilio_sms", "credentials": _both(account, good)}) == 201
    at = f"/credentials/{flight.last['id']}"
    twilio.answer = echo(401)
    assert flight.post(f"{at}/rotate", {"credentials": _both(account, bad)}) == 400
    assert flight.post(f"{at}/verify", {}) == 200
    assert flight.post("/providers/twilio_sms/test", {}) == 200
    twilio.answer = None
    twilio.auth_token = flight.secrets["next_token"] = token_hex(16)
    assert flight.post(f"{at}/rotate", {"credentials": _both(account, twilio.auth_token)}) == 201
    assert flight.post("/providers/twilio_sms/test", {}) == 200
    assert flight.post(f"{at}/rollback", {}) == 200


def _both(account: str, token: str) -> dict[str, str]:
    return {"account_sid": account, "auth_token": token}


def _crash(flight: Flight) -> None:
    """A worker is killed while its call is out, secrets in its memory."""
    asked_before = flight.scene.twilio.hits
    flight.scene.twilio.answer = lambda asked: Told(200, b"never heard", delay=3)
    assert flight.post("/execute", {**ORDER, "options": {"providers": ["twilio_sms"]}}, Prefer="respond-async") == 202
    eventually(lambda: flight.scene.twilio.hits > asked_before, seconds=20, what="the call of the worker")
    for child in children_of(flight.scene.pid("worker")):
        os.kill(child, signal.SIGKILL)
    eventually(flight.scene.is_settled, seconds=60, what="everything settled")


def test_the_search_finds_a_secret_where_it_is_known_to_be(flight: Flight) -> None:
    """In what the provider was sent: as Basic authorization, and so in base64."""
    sent = "\n".join(str(asked) for asked in [*flight.scene.twilio.asked, *flight.scene.vonage.asked])
    assert set(found(flight.secrets, sent)) == set(flight.secrets)


def test_no_answer_holds_a_secret(flight: Flight) -> None:
    assert len(flight.answers) >= 18
    assert found(flight.secrets, "\n".join(flight.answers)) == []


def test_no_log_line_and_no_traceback_holds_a_secret(flight: Flight) -> None:
    text = channels.logs(flight.scene)
    assert '"event": "request"' in text
    assert found(flight.secrets, text) == []


def test_no_task_message_and_no_command_to_valkey_holds_a_secret(flight: Flight) -> None:
    commands = "\n".join(flight.commands)
    assert "run_execution" in commands
    assert found(flight.secrets, commands) == []


def test_nothing_kept_in_valkey_holds_a_secret(flight: Flight) -> None:
    text = channels.valkey(flight.scene.hub.up()["redis_url"])
    assert "hub:circuit:" in text
    assert found(flight.secrets, text) == []


def test_no_row_of_the_database_holds_a_secret_in_plain_text(flight: Flight) -> None:
    text = channels.database(flight.scene.owner_url())
    assert "twilio_sms" in text
    assert found(flight.secrets, text) == []


def test_no_page_of_the_admin_holds_a_secret(flight: Flight) -> None:
    pages = channels.admin_pages(flight.scene)
    assert any("/credentials/credential/" in path and path.endswith("/change/") for path in pages), sorted(pages)
    assert [path for path, text in pages.items() if found(flight.secrets, text)] == []


def test_no_public_page_and_no_document_holds_a_secret(flight: Flight) -> None:
    text = channels.public_pages(flight.scene)
    assert '"openapi"' in text
    assert found(flight.secrets, text) == []
