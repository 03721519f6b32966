"""Canary secrets on their way through a running hub: bound, used, rotated, served, and crashed with in hand."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.request import Request, urlopen

import pyotp

from tests.crash.crowd import call
from tests.crash.scene import Scene, children_of
from tests.credentials.internal.authority import BILLING_URI, Authority
from tests.credentials.internal.gateway import nginx
from tests.credentials.internal.servers import OUTSIDE_ADDRESS, Answer, Stage
from tests.isolation.channels import found
from tests.launcher.running import eventually
from tests.oauth.flows import TOKEN, google
from tests.oauth.standing_in import StandIn
from tests.providers.carriers import Asked, Told

ORDER = {"category": "messaging", "intent": "message.send.sms", "payload": {"to": "+14155552671", "text": "canary"}}
INTERNAL = "/integrationhub/v1/internal/credentials"


@dataclass
class Flight:
    """What became of a tenant's secrets. `answers` is all that callers were told, but for those to a sibling service
    that read a secret, which are `handed_out`, and those that are to show one, which are `shown`; `own` are secrets of
    the hub itself."""

    scene: Scene
    stage: Stage
    google: StandIn
    own: dict[str, str]
    account: str = field(default_factory=lambda: "AC" + token_hex(16))
    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    handed_out: list[Answer] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)
    in_the_vault: str = ""

    def found(self, text: str) -> list[str]:
        """The names of the secrets that stand in the text."""
        return found(self.secrets | self.own, text)

    def bound_to(self, name: str) -> dict[str, Any]:
        """The body that binds a token, which is made and told to nobody but Twilio."""
        token = self.secrets.setdefault(name, token_hex(16))
        return {"provider_key": "twilio_sms", "credentials": {"account_sid": self.account, "auth_token": token}}

    def accept(self, name: str) -> None:
        """Twilio is well, and this is the token that it takes."""
        self.scene.twilio.answer, self.scene.twilio.auth_token = None, self.secrets[name]

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
        """One order that reaches the first provider, which answers so; the second one is out of it."""
        self.scene.twilio.answer, asked_before = answer, self.scene.twilio.hits
        options = {"providers": ["twilio_sms"], "timeout_ms": 3000, **options}

        def reached() -> bool:
            """Not while a circuit is open, which lets one through each five seconds."""
            status = self.post("/execute", {**ORDER, "options": options})
            was_asked = self.scene.twilio.hits > asked_before
            assert status in (expected if was_asked else (503,)), self.answers[-1]
            return was_asked

        eventually(reached, seconds=20, what="a call")

    def bind_as(self, by: tuple[Path, Path], name: str) -> int:
        """A sibling service binds a token, through nginx."""
        body = {"tenant_id": self.scene.hub.up()["tenant_id"], **self.bound_to(name)}
        return self._told(self.stage.ask("POST", f"{INTERNAL}/bind", by=by, body=json.dumps(body).encode())).status

    def read_as(self, *by: Path) -> int:
        answer = self.stage.ask("GET", self._readable(), by=by)
        if answer.status != 200:
            return self._told(answer).status
        self.handed_out.append(answer)
        return 200

    def read_past_nginx(self, headers: dict[str, str]) -> int:
        return self._told(self.stage.ask_hub("GET", self._readable(), *headers.items(), address=OUTSIDE_ADDRESS)).status

    def _readable(self) -> str:
        return f"{INTERNAL}/{self.scene.hub.up()['tenant_id']}/twilio_sms"

    def _told(self, answer: Answer) -> Answer:
        self.answers.append(f"{answer.status} {answer.headers} {answer.body!r}")
        return answer


def echo(status: int) -> Callable[[Asked], Told]:
    """A provider that repeats what it was sent, secrets included, in its error."""

    def answer(asked: Asked) -> Told:
        words = f"refused: {asked.headers} {asked.body!r}"
        return Told(status, {"code": 20003, "message": words, "status": status})

    return answer


def fly(flight: Flight, authority: Authority, directory: Path) -> None:
    """Success, failure, time-out and crash, at once and later, bound well and badly, by the tenant and for it."""
    flight.secrets |= {"account_sid": flight.account, "api_secret": flight.scene.vonage.api_secret}
    flight.scene.twilio.account_sid = flight.account
    _bind(flight)
    _execute(flight)
    _rotate(flight)
    _enroll(flight)
    _connect(flight)
    _subscribe(flight)
    _serve(flight, authority, directory)
    _crash(flight)
    for path in ("/executions", "/credentials", "/integrations/installed", "/usage", "/providers", "/connections"):
        flight.get(path)


def _bind(flight: Flight) -> None:
    flight.scene.twilio.answer = echo(401)
    assert flight.post("/credentials/bind", flight.bound_to("refused_token")) == 400
    body = flight.bound_to("auth_token")
    flight.accept("auth_token")
    assert flight.post("/credentials/bind", body, **{"Idempotency-Key": "canary-bind"}) == 201
    misnamed = {"auth_token": flight.secrets["auth_token"], "sid": flight.account}
    assert flight.post("/credentials/bind", {**body, "credentials": misnamed}) == 400


def _execute(flight: Flight) -> None:
    flight.execute(flight.scene.twilio.acceptance, 200)
    flight.execute(lambda asked: Told(200, repr((asked.headers, asked.body)).encode()), 503)
    for status in (400, 401, 403, 404, 429, 500, 503):
        flight.execute(echo(status), 400, 503)
    flight.execute(lambda asked: Told(0, drops=True), 503)
    flight.execute(lambda asked: Told(200, b"late", delay=4), 503, timeout_ms=1000)
    flight.scene.twilio.answer = None
    assert flight.post("/execute", ORDER, Prefer="respond-async") == 202


def _rotate(flight: Flight) -> None:
    """The next version, refused and accepted; what is in use asked about, and the one before brought back."""
    assert flight.post("/credentials/bind", flight.bound_to("auth_token")) == 201
    at = f"/credentials/{flight.last['id']}"
    flight.scene.twilio.answer = echo(401)
    assert flight.post(f"{at}/rotate", {"credentials": flight.bound_to("refused_token")["credentials"]}) == 400
    assert flight.post(f"{at}/verify", {}) == 200
    assert flight.post("/providers/twilio_sms/test", {}) == 200
    following = flight.bound_to("next_token")["credentials"]
    flight.accept("next_token")
    assert flight.post(f"{at}/rotate", {"credentials": following}) == 201
    assert flight.post("/providers/twilio_sms/test", {}) == 200
    assert flight.post(f"{at}/rollback", {}) == 200


def _enroll(flight: Flight) -> None:
    """An authenticator app, which is shown its secret once; codes that are right, wrong, and none."""
    assert flight.post("/totp/enroll", {"account": "canary"}, **{"Idempotency-Key": "canary-enroll"}) == 201
    flight.shown.append(flight.answers.pop())
    app, flight.secrets["totp_secret"] = flight.last["id"], flight.last["secret"]
    for code in (pyotp.TOTP(flight.last["secret"]).now(), "000000", "none"):
        flight.post("/totp/verify", {"id": app, "code": code})


def _connect(flight: Flight) -> None:
    """An account that is connected, renewed and read, by a provider that repeats what it was sent when it refuses."""
    named = ("client_secret", "code", "access_token", "refresh_token", "next_access_token", "next_refresh_token")
    secrets = {f"oauth_{name}": token_hex(20) for name in named}
    flight.secrets |= secrets
    client = {"client_id": "canary", "client_secret": secrets["oauth_client_secret"]}
    assert flight.post("/credentials/bind", {"provider_key": "google", "credentials": client}) == 201
    google(flight.google, _grant(secrets, ""))
    flight.get("/oauth/google/authorize")
    said = {"provider": "google", "code": secrets["oauth_code"], "state": json.loads(flight.answers[-1])["state"]}
    assert flight.post("/oauth/callback", said) == 200, flight.answers[-1]
    at = f"/connections/{flight.last['id']}"
    flight.google.answer(TOKEN, _repeating(secrets, "client_secret", "refresh_token", "access_token"), 503)
    assert flight.post(f"{at}/refresh", {}) == 400
    google(flight.google, _grant(secrets, "next_"))
    assert flight.post(f"{at}/refresh", {}) == 200
    assert flight.post(f"{at}/refresh", {}) == 200  # What was given first is sent by now.
    assert flight.post("/oauth/google/profile", {"connection_id": at.rpartition("/")[2]}) == 200
    flight.google.answer("POST oauth2.googleapis.com/revoke", _repeating(secrets, "next_access_token"), 400)
    assert flight.post("/oauth/google/revoke", {"access_token": secrets["oauth_next_access_token"]}) == 400
    page = {"providers": ["google"]}
    assert flight.post("/connect/sessions", page) == 201


def _repeating(secrets: dict[str, str], *names: str) -> dict[str, Any]:
    words = " ".join(secrets[f"oauth_{name}"] for name in names)
    return {"error": "server_error", "error_description": words}


def _grant(secrets: dict[str, str], which: str) -> dict[str, Any]:
    tokens = {name: secrets[f"oauth_{which}{name}"] for name in ("access_token", "refresh_token")}
    return {**tokens, "expires_in": 3600, "scope": "openid email profile"}


def _subscribe(flight: Flight) -> None:
    """An address that is told of events, which is shown its secret once, and once more when that is rotated. Nobody
    listens there."""
    told = "http://127.0.0.1:9/told"
    for path, body, name, status in (
        ("/webhook-subscriptions", {"url": told, "event_types": ["*"]}, "webhook_secret", 201),
        ("/webhook-subscriptions/{id}/rotate-secret", {}, "next_webhook_secret", 200),
    ):
        path = path.format(id=flight.last.get("id"))
        assert flight.post(path, body, **{"Idempotency-Key": f"canary-{name}"}) == status
        flight.shown.append(flight.answers.pop())
        flight.secrets[name] = flight.last["secret"].removeprefix("whsec_")
    assert flight.post(f"/webhook-subscriptions/{flight.last['id']}/test", {}) == 200


def _serve(flight: Flight, authority: Authority, directory: Path) -> None:
    """Sibling services bind and read, and who is none tries to: through nginx, and past it with all that it says."""
    known = authority.issue("CN=any", BILLING_URI)
    billing = known.written(directory, "billing")
    intruder = authority.issue("CN=intruder").written(directory, "intruder")
    flight.scene.twilio.answer = echo(401)
    assert flight.bind_as(billing, "refused_token") == 400
    flight.bound_to("service_token")
    flight.accept("service_token")
    assert flight.bind_as(intruder, "service_token") == 401
    assert flight.bind_as(billing, "service_token") == 201
    assert flight.read_as(*billing) == 200
    assert (flight.read_as(), flight.read_as(*intruder), flight.read_past_nginx(nginx(known))) == (401, 401, 401)
    flight.execute(flight.scene.twilio.acceptance, 200)
    flight.execute(echo(500), 503)


def _crash(flight: Flight) -> None:
    """A worker is killed while its call is out, secrets in its memory."""
    asked_before = flight.scene.twilio.hits
    flight.scene.twilio.answer = lambda asked: Told(200, b"never heard", delay=3)
    assert flight.post("/execute", {**ORDER, "options": {"providers": ["twilio_sms"]}}, Prefer="respond-async") == 202
    eventually(lambda: flight.scene.twilio.hits > asked_before, seconds=20, what="the call of the worker")
    for child in children_of(flight.scene.pid("worker")):
        os.kill(child, signal.SIGKILL)
    eventually(flight.scene.is_settled, seconds=60, what="everything settled")
