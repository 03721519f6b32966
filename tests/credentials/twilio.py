"""A tenant with a Twilio that knows several auth tokens, and what it was asked with."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db import connections

from providers.models import Provider
from tests.make import Api, sms
from tests.providers.carriers import Asked, Told, TwilioServer

NUMBER = "+14155552671"
OLD, NEW, NEWEST = "0" * 32, "1" * 32, "2" * 32


class ManyTokensTwilio(TwilioServer):
    """`known` tokens read the account, `sending` ones also send. `sent` counts the tokens of accepted messages,
    `asked_with` those of all requests, by method. `meanwhile` runs in the middle of each reading of the account."""

    def __init__(self) -> None:
        super().__init__()
        self.known = {OLD, NEW, NEWEST}
        self.sending = {OLD, NEW, NEWEST}
        self.sent: Counter[str] = Counter()
        self.asked_with: Counter[tuple[str, str]] = Counter()
        self.meanwhile: Callable[[], Any] = lambda: None

    def acceptance(self, asked: Asked) -> Told:
        token = base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode().partition(":")[2]
        with self._lock:
            self.asked_with[asked.method, token] += 1
        if asked.method == "GET":
            self.meanwhile()
        if token not in (self.known if asked.method == "GET" else self.sending):
            return super().acceptance(asked)
        told = super().acceptance(replace(asked, headers={**asked.headers, "authorization": self._login}))
        if asked.method == "POST":
            with self._lock:
                self.sent[token] += 1
        return told

    @property
    def _login(self) -> str:
        return "Basic " + base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()


def secrets(token: str) -> dict[str, str]:
    return {"account_sid": TwilioServer.account_sid, "auth_token": token}


def install(api: Api, twilio: TwilioServer) -> None:
    Provider.objects.filter(provider_key="twilio_sms").update(base_url=twilio.base_url)
    body = {"config": twilio.config, "priority": 1}
    assert api.post("/marketplace/integrations/twilio_sms/install", body).status_code == 201


def bind(api: Api, token: str = OLD, **more: Any) -> str:
    """The id of the version that it made."""
    answer = api.post("/credentials/bind", {"provider_key": "twilio_sms", "credentials": secrets(token), **more})
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def rotate(api: Api, credential_id: str, token: str = NEW, headers: dict[str, str] | None = None, **more: Any) -> Any:
    body = {"credentials": secrets(token), **more}
    return api.post(f"/credentials/{credential_id}/rotate", body, headers=headers)


def send(api: Api) -> Any:
    return api.post("/execute", sms(NUMBER))


def shown(api: Api) -> list[tuple[int, str]]:
    """Version and status of all that is listed, the newest first."""
    return [(row["version"], row["status"]) for row in api.get("/credentials").json()["data"]]


def kept(api: Api) -> list[tuple[int, str, bool]]:
    """Version, status and whether there is a secret, of all rows in the database."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            """SELECT version, status, length(sealed) > 0 FROM credentials_credential
               WHERE tenant_id = %s AND provider_key = 'twilio_sms' ORDER BY version""",
            [api.tenant],
        )
        return cursor.fetchall()


def events(api: Api) -> list[tuple[str, dict[str, Any]]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT kind, data::text FROM outbox_event WHERE tenant_id = %s ORDER BY id", [api.tenant])
        return [(kind, json.loads(data)) for kind, data in cursor.fetchall()]
