"""What Twilio tells of a message: signed by Twilio's own package, which verifies none of ours."""

import hashlib
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from providers import registry
from providers.callbacks import Kind, Webhook
from providers.errors import InvalidSignature, Next, Retry
from tests.providers.adapters.sending import call_to, send
from tests.providers.carriers import Told, TwilioServer
from tests.providers.hooks import hook

TOKEN = TwilioServer.auth_token
URL = "https://hub.example/webhooks/ingest/twilio_sms/a-token?attempt=01977f1e-7c3a-7b52-9d40-5e0f3a6c2b11"
FORM = "application/x-www-form-urlencoded"
SID = "SM1f0e8ae6ade43cb3c0ce4525424e404f"
TOLD = {"MessageSid": SID, "SmsSid": SID, "MessageStatus": "delivered", "To": "+14155552671", "Body": "", "é": "ü &=+"}


def signed(fields: dict[str, str] | bytes, url: str = URL, token: str = TOKEN, kind: str = FORM) -> Webhook:
    """As Twilio sends it."""
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    signature = RequestValidator(token).compute_signature(url, {} if isinstance(fields, bytes) else fields)
    return hook(body, url=url, content_type=kind, X_Twilio_Signature=signature)


def verify(webhook: Webhook, **secrets: str) -> None:
    registry.instance("twilio_sms").verify_webhook(webhook, secrets or {"auth_token": TOKEN})


def refusal(webhook: Webhook, **secrets: str) -> str:
    with pytest.raises(InvalidSignature) as caught:
        verify(webhook, **secrets)
    assert caught.value.details["provider"] == "twilio_sms"
    return caught.value.reason


def test_what_twilios_package_signs_is_twilios() -> None:
    verify(signed(TOLD))
    verify(signed(TOLD), account_sid="AC1", api_key_sid="SK1", api_key_secret="s", webhook_auth_token=TOKEN)
    for url in (URL.replace(".example/", ".example:443/"), URL.replace(".example/", ".example:8443/")):
        verify(signed(TOLD, url))
    # Signed with the port, asked without it, and the other way round.
    verify(replace(signed(TOLD, URL.replace(".example/", ".example:443/")), url=URL))
    verify(replace(signed(TOLD, URL), url=URL.replace(".example/", ".example:443/")))


def test_a_body_of_json_is_signed_by_the_digest_in_its_address() -> None:
    body = json.dumps(TOLD).encode()
    url = f"{URL}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    webhook = signed(body, url, kind="application/json")
    assert RequestValidator(TOKEN).validate(url, body.decode(), webhook.headers["x-twilio-signature"])
    verify(webhook)
    assert refusal(replace(webhook, body=body + b" ")) == "wrong_digest"
    assert refusal(signed(body, URL, kind="application/json")) == "wrong_digest", "nothing signs this body"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"body": urlencode({**TOLD, "MessageStatus": "failed"}).encode()}, "wrong_signature"),
        ({"url": URL.replace("attempt=0", "attempt=1")}, "wrong_signature"),
        ({"url": URL.replace("https", "http")}, "wrong_signature"),
        ({"body": b""}, "wrong_signature"),
        ({"headers": {"content-type": FORM}}, "missing_signature"),
        ({"headers": {"content-type": "text/plain", "x-twilio-signature": "x"}}, "wrong_digest"),
    ],
)
def test_whatever_is_changed_is_refused(changed: dict[str, Any], reason: str) -> None:
    assert refusal(replace(signed(TOLD), **changed)) == reason


def test_another_accounts_token_and_none_are_refused() -> None:
    assert refusal(signed(TOLD, token="f" * 32)) == "wrong_signature"
    assert refusal(signed(TOLD), account_sid="AC1", api_key_sid="SK1", api_key_secret="s") == "no_secret"


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        ("queued", "", Kind.ACCEPTED, ""),
        ("sending", "", Kind.ACCEPTED, ""),
        ("sent", "", Kind.SENT, ""),
        ("delivered", "", Kind.DELIVERED, ""),
        ("read", "", Kind.READ, ""),
        ("undelivered", "30003", Kind.FAILED, "twilio_30003"),
        ("failed", "", Kind.FAILED, "message_failed"),
    ],
)
def test_every_status_has_its_word(status: str, code: str, kind: Kind, reason: str) -> None:
    told = {**TOLD, "MessageStatus": status, "ErrorCode": code}
    [event] = registry.instance("twilio_sms").parse_webhook(signed(told))
    assert (event.kind, event.reference, event.key, event.reason, event.code) == (
        kind, SID, f"{SID} {status}", reason, code,
    )  # fmt: skip


def test_what_somebody_writes_to_the_tenant_is_received() -> None:
    [event] = registry.instance("twilio_sms").parse_webhook(signed({"MessageSid": SID, "SmsStatus": "received"}))
    assert event.kind == Kind.RECEIVED


def test_a_status_that_is_new_to_us_tells_nothing() -> None:
    assert registry.instance("twilio_sms").parse_webhook(signed({**TOLD, "MessageStatus": "teleported"})) == []


def test_a_send_names_the_address_with_its_attempt(twilio: TwilioServer) -> None:
    call = call_to(twilio, config={**twilio.config, "callback_url": URL.partition("?")[0]})
    registry.instance("twilio_sms").execute(call)
    assert twilio.asked[0].form["StatusCallback"] == f"{URL.partition('?')[0]}?attempt={call.attempt_id}"
    send(twilio)
    assert "StatusCallback" not in twilio.asked[1].form
    assert twilio.faults == []


def status(twilio: TwilioServer, reference: str = SID) -> Any:
    return registry.instance("twilio_sms").status(replace(call_to(twilio), payload={}), reference)


def test_what_became_of_a_message_can_be_asked(twilio: TwilioServer) -> None:
    told = {"sid": SID, "status": "undelivered", "error_code": 30005, "to": "+14155552671"}
    twilio.answer = lambda _: Told(200, {**told, "date_updated": "Tue, 24 Nov 2026 10:00:00 +0000"})
    event = status(twilio)
    assert (event.kind, event.reason, event.key) == (Kind.FAILED, "twilio_30005", f"{SID} undelivered")
    assert event.occurred_at.isoformat() == "2026-11-24T10:00:00+00:00"
    assert "+14155552671" not in str(event.payload)
    assert twilio.asked[0].path.endswith(f"/Messages/{SID}.json")


def test_a_message_that_twilio_does_not_know_has_no_status(twilio: TwilioServer) -> None:
    twilio.answer = lambda _: Told(404, {"code": 20404, "message": "not found"})
    assert status(twilio) is None
    assert status(twilio, "../../Accounts") is None
    assert twilio.hits == 1, "what is no id of Twilio's is not asked for"


@pytest.mark.parametrize(("answer", "kind"), [(Told(429, {"code": 20429}), Retry), (Told(401, {}), Next)])
def test_a_status_that_is_refused_has_its_class(twilio: TwilioServer, answer: Told, kind: type) -> None:
    twilio.answer = lambda _: answer
    with pytest.raises(kind):
        status(twilio)
