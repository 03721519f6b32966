"""What MessageBird tells of a message, and Slack and Telegram of what people write: from the door to the tenant."""

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import pytest
from django.test import Client
from slack_sdk.signature import SignatureVerifier

from providers import registry
from providers.models import Provider
from tests.make import Api, sms
from tests.providers.answering import AnsweringServer
from tests.providers.conformance import example_of
from tests.webhooks.posting import events, subscribe, work_off
from tests.webhooks.test_carriers import delivery, opened, told_to


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    server = AnsweringServer()
    server.start()
    yield server
    server.stop()


def bound(api: Api, key: str) -> dict[str, str]:
    """The secrets of the examples, bound."""
    secrets = example_of(registry.get(key).credential_schema)
    answer = api.post("/credentials/bind", {"provider_key": key, "credentials": secrets, "verify": False})
    assert answer.status_code == 201, answer.content
    return secrets


def called(url: str, body: bytes | None = None, **headers: str) -> Any:
    """As a provider calls an address: by GET without a body."""
    where, client = urlsplit(url), Client(raise_request_exception=False)
    path = f"{where.path}?{where.query}" if where.query else where.path
    if body is None:
        return client.get(path, headers=headers)
    return client.post(path, body, content_type="application/json", headers=headers)


# --- MessageBird ---


def reported(report_url: str, reference: str, status: str, key: str) -> Any:
    """A status report: https://developers.messagebird.com/api/sms-messaging/#handle-a-status-report"""
    told = {
        "id": reference,
        "status": status,
        "statusDatetime": "2026-09-01T10:00:05+00:00",
        "recipient": "14155552671",
    }
    url, now = f"{report_url}&{urlencode(told)}", int(time.time())
    claims = {"iss": "MessageBird", "nbf": now, "exp": now + 60, "url_hash": hashlib.sha256(url.encode()).hexdigest()}
    return called(url, **{"MessageBird-Signature-JWT": jwt.encode(claims, key, "HS256")})


def test_messagebirds_report_is_shown_with_its_execution(api: Api, server: AnsweringServer) -> None:
    subscribe(api)
    secrets = bound(api, "messagebird_sms")
    Provider.objects.filter(provider_key="messagebird_sms").update(base_url=server.base_url)
    config = {"from": "IntegrHub", "callback_url": opened(api, "messagebird_sms")}
    assert api.post("/marketplace/integrations/messagebird_sms/install", {"config": config}).status_code == 201
    server.answer(201, {"id": "e8077d803532c0b5937c639b60216938", "recipients": {"items": [{"status": "sent"}]}})
    sent = api.post("/execute", sms("+14155552671")).json()
    assert sent["status"] == "succeeded", sent
    report_url = server.asked[-1].json()["reportUrl"]
    forged = reported(report_url, sent["reference"], "delivered", "0" * 64)
    assert (forged.status_code, forged.json()["details"]["provider"]) == (401, "messagebird_sms")
    for status in ("sent", "delivered", "delivered"):
        assert reported(report_url, sent["reference"], status, secrets["signing_key"]).status_code == 200
        work_off()
    shown = delivery(api, sent["execution_id"])
    assert (shown["status"], shown["provider_key"]) == ("delivered", "messagebird_sms")
    assert [told["type"] for told in shown["timeline"]] == ["message.sent", "message.delivered"]
    assert [event.kind for event in told_to(api.tenant)] == ["message.sent", "message.delivered"]


# --- Slack ---


def slack(url: str, told: dict[str, Any], secret: str) -> Any:
    body, moment = json.dumps(told).encode(), str(int(time.time()))
    signature = str(SignatureVerifier(secret).generate_signature(timestamp=moment, body=body))
    return called(url, body, **{"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": signature})


def test_slacks_challenge_is_answered_to_who_signs_it(api: Api) -> None:
    secrets, url = bound(api, "slack_chat"), opened(api, "slack_chat")
    asked = {"token": "x", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7", "type": "url_verification"}
    answer = slack(url, asked, secrets["signing_secret"])
    assert (answer.status_code, answer.content.decode()) == (200, asked["challenge"])
    refused = slack(url, asked, "another-secret-of-somebody")
    assert (refused.status_code, refused.json()["details"]["provider"]) == (401, "slack_chat")
    assert asked["challenge"] not in refused.content.decode()
    assert events(api.tenant) == []


def test_what_somebody_writes_in_slack_is_told_once_and_without_slacks_token(api: Api) -> None:
    subscribe(api)
    secrets, url = bound(api, "slack_chat"), opened(api, "slack_chat")
    message = {"type": "message", "channel": "C1", "user": "U1", "text": "Where is it?", "ts": "1700000000.000100"}
    told = {"token": "a-verification-token", "type": "event_callback", "event_id": "Ev1", "event": message}
    for _ in range(2):
        assert slack(url, told, secrets["signing_secret"]).status_code == 200
        work_off()
    [event] = events(api.tenant)
    assert (event.type, event.status, event.reference) == ("message.received", "processed", "1700000000.000100")
    assert "a-verification-token" not in json.dumps(event.payload)
    [told] = told_to(api.tenant)
    assert (told.kind, told.data["provider_key"], told.data["webhook_id"]) == (
        "message.received",
        "slack_chat",
        str(event.id),
    )


# --- Telegram ---


def test_what_somebody_writes_to_a_bot_of_telegrams_is_told_once(api: Api) -> None:
    secrets, url = bound(api, "telegram_chat"), opened(api, "telegram_chat")
    chat, sender = {"id": 42, "type": "private"}, {"id": 42, "is_bot": False}
    message = {"message_id": 5, "from": sender, "chat": chat, "date": 1700000000, "text": "Where is it?"}
    body = json.dumps({"update_id": 9, "message": message}).encode()
    refused = called(url, body, **{"X-Telegram-Bot-Api-Secret-Token": "another-secret-of-somebody"})
    assert (refused.status_code, refused.json()["details"]["provider"]) == (401, "telegram_chat")
    for _ in range(2):
        assert called(url, body, **{"X-Telegram-Bot-Api-Secret-Token": secrets["webhook_secret"]}).status_code == 200
        work_off()
    [event] = events(api.tenant)
    assert (event.type, event.status, event.reference) == ("message.received", "processed", "42:5")
