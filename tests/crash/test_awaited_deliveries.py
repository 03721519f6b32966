"""Messages that have to arrive, in a hub of real processes: told of, given up, and waited for over the death of all."""

import json
import os
import signal
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from twilio.request_validator import RequestValidator

from tests.crash.crowd import call
from tests.crash.scene import Scene, a_scene, slow
from tests.launcher.running import eventually
from tests.providers.carriers import Asked, CarrierServer, TwilioServer
from tests.webhooks.test_carriers import SECRET, vonage_token

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]

PUBLIC = "https://hub.example"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Twilio first, Vonage second; both report to the hub, by the name that it has outside."""
    with a_scene(PUBLIC_BASE_URL=PUBLIC) as scene:
        scene.twilio.answer = slow(scene.twilio)
        secrets = {**scene.vonage.credentials, "signature_secret": SECRET}
        assert post(scene, "/credentials/bind", {"provider_key": "vonage_sms", "credentials": secrets, "verify": False})
        for row in asked(scene, "GET", "/integrations/installed")["data"]:
            if row["provider_key"] in ("twilio_sms", "vonage_sms"):
                url = post(scene, "/webhooks/endpoints", {"provider_key": row["provider_key"]})["url"]
                asked(scene, "PATCH", f"/integrations/{row['id']}", {"config": {**row["config"], "callback_url": url}})
        yield scene


def post(scene: Scene, path: str, body: Any) -> dict[str, Any]:
    status, told = call(scene.hub, scene.hub.up()["tokens"]["admin"], path, body, {})
    assert status in (201, 202), told
    return told


def asked(scene: Scene, method: str, path: str, body: Any = None) -> dict[str, Any]:
    up = scene.hub.up()
    headers = {"Authorization": f"Bearer {up['tokens']['admin']}", "x-tenant-id": up["tenant_id"]}
    data = None if body is None else json.dumps(body).encode()
    url = f"{up['base_url']}/integrationhub/v1{path}"
    request = Request(url, data, {**headers, "Content-Type": "application/json"}, method=method)  # noqa: S310
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
        told: dict[str, Any] = json.loads(answer.read())
    return told


def send(scene: Scene, text: str, **options: Any) -> str:
    payload = {"to": "+14155552671", "text": text}
    chosen = {"providers": ["twilio_sms", "vonage_sms"], "success_status": "delivered", **options}
    body = {"category": "messaging", "intent": "message.send.sms", "payload": payload, "options": chosen}
    return str(post(scene, "/execute", body)["execution_id"])


def sendings(carrier: CarrierServer, text: str) -> list[Asked]:
    mine = [each for each in list(carrier.asked) if each.method == "POST"]
    return [each for each in mine if text in (each.form.get("Body"), each.form.get("text"))]


def becomes(scene: Scene, execution_id: str, status: str, provider_key: str) -> dict[str, Any]:
    told: dict[str, Any] = {}

    def is_so() -> bool:
        try:
            told.update(asked(scene, "GET", f"/executions/{execution_id}"))
        except (OSError, HTTPError, HTTPException):
            return False
        return (told["status"], told["provider_key"]) == (status, provider_key)

    eventually(is_so, seconds=60, what=f"{status} by {provider_key}")
    return told


def told_to(scene: Scene, url: str, body: bytes, kind: str, **headers: str) -> None:
    """To the address that the provider knows, which a proxy would pass on."""
    place = urlsplit(url)
    assert f"{place.scheme}://{place.netloc}" == PUBLIC
    path = f"{place.path}?{place.query}" if place.query else place.path
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(scene.hub.up()["base_url"] + path, body, {"Content-Type": kind, **named})  # noqa: S310
    with urlopen(request, timeout=10) as answer:  # noqa: S310 - our own address
        assert answer.status == 200


def twilio_tells(scene: Scene, text: str, reference: str, status: str) -> None:
    [sending] = sendings(scene.twilio, text)
    url, fields = sending.form["StatusCallback"], {"MessageSid": reference, "MessageStatus": status}
    signature = RequestValidator(TwilioServer.auth_token).compute_signature(url, fields)
    told_to(scene, url, urlencode(fields).encode(), FORM, X_Twilio_Signature=signature)


def test_what_is_told_as_delivered_has_succeeded(scene: Scene) -> None:
    execution_id = send(scene, "told of", fallback_after_ms=600_000)
    body = becomes(scene, execution_id, "running", "twilio_sms")
    twilio_tells(scene, "told of", body["reference"], "delivered")
    body = becomes(scene, execution_id, "succeeded", "twilio_sms")
    assert [told["type"] for told in body["delivery"]["timeline"]] == ["message.delivered"]
    assert sendings(scene.vonage, "told of") == []


def test_what_is_given_up_is_sent_by_the_next_provider(scene: Scene) -> None:
    execution_id = send(scene, "given up", fallback_after_ms=600_000)
    body = becomes(scene, execution_id, "running", "twilio_sms")
    twilio_tells(scene, "given up", body["reference"], "undelivered")
    body = becomes(scene, execution_id, "running", "vonage_sms")
    [sending] = sendings(scene.vonage, "given up")
    raw = json.dumps({"messageId": body["reference"], "status": "delivered", "err-code": "0"}).encode()
    told_to(scene, sending.form["callback"], raw, "application/json", Authorization=vonage_token(raw))
    body = becomes(scene, execution_id, "succeeded", "vonage_sms")
    assert body["fallback_used"] is True
    assert [each["reason"] for each in body["attempts"]] == ["message_undelivered", None]


def test_the_wait_outlives_every_process_that_could_end_it(scene: Scene) -> None:
    execution_id = send(scene, "waited for", fallback_after_ms=6_000)
    becomes(scene, execution_id, "running", "twilio_sms")
    for name in ("worker", "relay", "beat"):
        os.kill(scene.pid(name), signal.SIGKILL)
    body = becomes(scene, execution_id, "running", "vonage_sms")
    assert [each["reason"] for each in body["attempts"]] == ["not_delivered_in_time", None]
    assert (len(sendings(scene.twilio, "waited for")), len(sendings(scene.vonage, "waited for"))) == (1, 1)
