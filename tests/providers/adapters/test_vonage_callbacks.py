"""What Vonage tells of a message: tokens and signatures that Vonage's own packages take, and none that they refuse."""

import hashlib
import json
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from vonage_http_client.auth import Auth
from vonage_jwt.verify_jwt import verify_signature

from providers import registry
from providers.callbacks import Kind, Webhook
from providers.errors import InvalidSignature
from tests.providers.adapters.sending import call_to
from tests.providers.carriers import VonageServer
from tests.providers.hooks import hook

SECRET = "the-signature-secret-of-an-account"
TOLD = {
    "msisdn": "14155552671", "to": "IntegrHub", "network-code": "310260", "messageId": "0A0000000123ABCD1",
    "price": "0.03330000", "status": "delivered", "scts": "2611260137", "err-code": "0", "api-key": "abcd1234",
    "message-timestamp": "2026-11-26 01:37:02", "client-ref": "01977f1e-7c3a-7b52-9d40-5e0f3a6c2b11",
}  # fmt: skip


def tokened(told: Any = None, secret: str = SECRET, **over: Any) -> Webhook:
    body = json.dumps(TOLD if told is None else told, separators=(",", ":")).encode()
    claims = {"iss": "Vonage", "iat": int(time.time()), "jti": "j", "api_key": "abcd1234"}
    claims |= {"payload_hash": hashlib.sha256(body).hexdigest(), **over}
    token = jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, "HS256")
    return hook(body, Authorization=f"Bearer {token}")


def sigged(method: str = "sha256", secret: str = SECRET, **over: Any) -> dict[str, str]:
    """The fields with the `sig` that Vonage's package makes of them."""
    fields = {**TOLD, "nonce": "aaaaaaaa-bbbb", "timestamp": str(int(time.time())), "text": "a&b=c", **over}
    signer = Auth(api_key="abcd1234", signature_secret=secret, signature_method=method)
    return {**fields, "sig": signer.sign_params(dict(fields))}


def sent(fields: dict[str, str], form: str = "form") -> Webhook:
    if form == "query":
        return hook(method="GET", url=f"https://hub.example/x?{urlencode(fields)}")
    body = json.dumps(fields) if form == "json" else urlencode(fields)
    kind = "application/json" if form == "json" else "application/x-www-form-urlencoded"
    return hook(body.encode(), content_type=kind)


def verify(webhook: Webhook, secret: str = SECRET) -> None:
    registry.instance("vonage_sms").verify_webhook(webhook, {"api_key": "abcd1234", "signature_secret": secret})


def refusal(webhook: Webhook) -> str:
    with pytest.raises(InvalidSignature) as caught:
        verify(webhook)
    return caught.value.reason


def test_a_token_that_vonages_package_takes_is_taken() -> None:
    webhook = tokened()
    assert verify_signature(webhook.headers["authorization"].removeprefix("Bearer "), SECRET)
    verify(webhook)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_secret_is_as_short_as_vonage_has_it() -> None:
    short = "sixteen-letters!"
    verify(tokened(secret=short), short)


@pytest.mark.parametrize(
    ("webhook", "reason"),
    [
        (tokened(secret="another-secret-of-another-account"), "wrong_signature"),
        (tokened(payload_hash=None), "wrong_signature"),
        (tokened(iat=None), "wrong_signature"),
        (tokened(exp=1), "wrong_signature"),
        (tokened(iat=int(time.time()) - 3600), "stale"),
        (tokened(payload_hash="0" * 64), "wrong_digest"),
        (replace(tokened(), body=tokened().body + b" "), "wrong_digest"),
        (
            replace(
                tokened(payload_hash=hashlib.sha256().hexdigest()), body=b"", url="https://hub.example/x?messageId=1"
            ),
            "wrong_digest",
        ),
        (replace(tokened(), headers={"authorization": "Bearer " + jwt.encode({}, None, "none")}), "wrong_signature"),
        (hook(TOLD), "missing_signature"),
    ],
)
def test_another_token_is_refused(webhook: Webhook, reason: str) -> None:
    assert refusal(webhook) == reason


@pytest.mark.parametrize("method", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("form", ["form", "json", "query"])
def test_a_sig_that_vonages_package_makes_is_taken(method: str, form: str) -> None:
    fields = sigged(method)
    assert Auth(api_key="a", signature_secret=SECRET, signature_method=method).check_signature(dict(fields))
    verify(sent(fields, form))
    verify(sent({**fields, "sig": fields["sig"].upper()}, form))
    assert refusal(sent({**fields, "status": "failed"}, form)) == "wrong_signature"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_read_is_what_was_signed(method: str) -> None:
    """A receipt that came by GET, with a body that somebody else has put beside it."""
    signed, foreign = sent(sigged(), "query"), json.dumps({**TOLD, "status": "failed"}).encode()
    headers = {"content-type": "application/json"}
    assert refusal(replace(signed, method=method, headers=headers, body=foreign)) == "missing_signature"


def test_a_sig_that_is_old_or_no_hmac_is_refused() -> None:
    assert refusal(sent(sigged(timestamp=str(int(time.time()) - 3600)))) == "stale"
    assert refusal(sent({**sigged(), "sig": "abc"})) == "malformed_signature"
    fields = {**TOLD, "timestamp": str(int(time.time()))}
    text = "".join(f"&{name}={fields[name]}" for name in sorted(fields)) + SECRET
    plain = hashlib.md5(text.encode()).hexdigest()  # noqa: S324  What the hub refuses.
    assert refusal(sent({**fields, "sig": plain})) == "wrong_signature"


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        ("accepted", "0", Kind.SENT, ""),
        ("buffered", "0", Kind.DEFERRED, ""),
        ("delivered", "0", Kind.DELIVERED, ""),
        ("failed", "6", Kind.FAILED, "vonage_dlr_6"),
        ("expired", "", Kind.FAILED, "vonage_dlr_expired"),
        ("rejected", "4", Kind.FAILED, "vonage_dlr_4"),
    ],
)
def test_every_status_has_its_word(status: str, code: str, kind: Kind, reason: str) -> None:
    [event] = registry.instance("vonage_sms").parse_webhook(tokened({**TOLD, "status": status, "err-code": code}))
    assert (event.kind, event.reference, event.reason) == (kind, TOLD["messageId"], reason)
    assert (event.key, str(event.attempt_id)) == (f"{TOLD['messageId']} {status}", TOLD["client-ref"])
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-11-26T01:37:02+00:00"
    assert "api-key" not in event.payload


def test_unknown_is_no_news_and_a_text_is_received() -> None:
    vonage = registry.instance("vonage_sms")
    assert vonage.parse_webhook(tokened({**TOLD, "status": "unknown"})) == []
    [event] = vonage.parse_webhook(tokened({"messageId": "1", "text": "hello", "msisdn": "1415"}))
    assert event.kind == Kind.RECEIVED


def test_a_send_names_the_address_and_carries_its_attempt(vonage: VonageServer) -> None:
    configured = {**vonage.config, "callback_url": "https://hub.example/webhooks/ingest/vonage_sms/t"}
    call = call_to(vonage, config=configured)
    adapter = registry.instance("vonage_sms")
    adapter.execute(call)
    adapter.execute(replace(call, payload={**call.payload, "reference": "theirs"}))
    adapter.execute(call_to(vonage))
    forms = [asked.form for asked in vonage.asked]
    assert [form.get("callback") for form in forms] == [configured["callback_url"]] * 2 + [None]
    assert [form.get("client-ref") for form in forms] == [str(call.attempt_id), "theirs", None]
    assert vonage.faults == []
