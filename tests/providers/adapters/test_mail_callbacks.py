"""What e-mail services tell: their signatures, each believed by anymail's own view as well, and their events.

A test signs as the service documents it; that anymail's view takes the same request for the service's says that the
test, and not only the adapter, has read the documentation rightly. Resend is signed by the package standardwebhooks.
"""

import base64
import hashlib
import hmac
import importlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from anymail.exceptions import AnymailWebhookValidationFailure
from django.http import HttpRequest, QueryDict
from standardwebhooks import Webhook as StandardWebhook

from providers import registry
from providers.adapter import JSONObject
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.errors import InvalidSignature
from tests.providers import conformance
from tests.providers.hooks import hook

ATTEMPT = UUID("01977f1e-7c3a-7b52-9d40-5e0f3a6c2b11")
NOW = 1_790_000_000


def secrets_of(key: str) -> dict[str, Any]:
    return conformance.secrets_of(registry.get(key))


def verify(key: str, asked: Webhook, secrets: JSONObject | None = None) -> None:
    registry.instance(key).verify_webhook(asked, secrets_of(key) if secrets is None else secrets)


def read(key: str, body: Any, **headers: str) -> list[InboundEvent]:
    return registry.instance(key).parse_webhook(
        hook(body if isinstance(body, bytes) else json.dumps(body).encode(), **headers)
    )


def refused(key: str, asked: Webhook, secrets: JSONObject | None = None) -> str:
    with pytest.raises(InvalidSignature) as caught:
        verify(key, asked, secrets)
    return str(caught.value.details["reason"])


# --- Signatures ---


def by_mailgun(body: bytes, key: str) -> Webhook:
    timestamp, token = str(int(time.time())), "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
    digest = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    block = {"timestamp": timestamp, "token": token, "signature": digest}
    return hook(json.dumps({"signature": block, "event-data": json.loads(body)}).encode())


def by_mailersend(body: bytes, key: str) -> Webhook:
    return hook(body, Signature=hmac.new(key.encode(), body, hashlib.sha256).hexdigest())


def by_mailtrap(body: bytes, key: str) -> Webhook:
    return hook(body, Mailtrap_Signature=hmac.new(key.encode(), body, hashlib.sha256).hexdigest())


def by_mandrill(body: bytes, key: str) -> Webhook:
    form = urlencode({"mandrill_events": body.decode()}).encode()
    asked = hook(form, content_type="application/x-www-form-urlencoded")
    signed = f"{asked.url}mandrill_events{body.decode()}".encode()
    digest = base64.b64encode(hmac.new(key.encode(), signed, hashlib.sha1).digest()).decode()
    return replace(asked, headers={**asked.headers, "x-mandrill-signature": digest})


def by_unisender(body: bytes, key: str) -> Webhook:
    told = {"auth": key, **json.loads(body)}
    digest = hashlib.md5(json.dumps(told).encode(), usedforsecurity=False).hexdigest()
    return hook(json.dumps({**told, "auth": digest}).encode())


SIGNED: dict[str, tuple[Callable[[bytes, str], Webhook], str, str]] = {
    "mailgun_email": (by_mailgun, "webhook_signing_key", "webhook_signing_key"),
    "mailersend_email": (by_mailersend, "signing_secret", "signing_secret"),
    "mailtrap_email": (by_mailtrap, "signing_secret", "tracking_secret"),
    "mandrill_email": (by_mandrill, "webhook_key", "webhook_key"),
    "unisender_go_email": (by_unisender, "api_key", "api_key"),
}


def anymail_verifies(key: str, asked: Webhook, option: str, secret: str) -> bool:
    """By anymail's own view of this service."""
    row: Any = registry.get(key)
    view = getattr(importlib.import_module(f"anymail.webhooks.{row.service}"), row.view)(
        **{option: secret, "webhook_secret": "unused"}
    )
    request = HttpRequest()
    request.method, request.content_type = "POST", asked.headers["content-type"]
    request._body = asked.body
    if request.content_type.endswith("urlencoded"):
        request.POST = QueryDict(asked.body)
    for name, value in asked.headers.items():
        request.META[f"HTTP_{name.upper().replace('-', '_')}"] = value
    request.META["HTTP_AUTHORIZATION"] = f"Basic {base64.b64encode(b'unused').decode()}"
    if option == "webhook_key":
        view.webhook_url = asked.url
    view.basic_auth = []
    try:
        view.run_validators(request)
    except AnymailWebhookValidationFailure:
        return False
    return True


@pytest.mark.parametrize("key", SIGNED)
def test_a_signature_is_believed_as_anymail_believes_it(key: str) -> None:
    sign, name, option = SIGNED[key]
    secret = secrets_of(key)[name]
    asked = sign(b'{"event": "delivered"}', secret)
    assert anymail_verifies(key, asked, option, secret)
    verify(key, asked)
    other = sign(b'{"event": "delivered"}', "another-secret")
    assert not anymail_verifies(key, other, option, secret)
    assert refused(key, other) == "wrong_signature"


@pytest.mark.parametrize("key", sorted(SIGNED.keys() - {"mailgun_email"}))
def test_a_body_that_was_changed_is_not_believed(key: str) -> None:
    sign, name, option = SIGNED[key]
    secret = secrets_of(key)[name]
    asked = sign(b'{"event": "delivered"}', secret)
    changed = replace(asked, body=asked.body.replace(b"delivered", b"rejected!"))
    assert not anymail_verifies(key, changed, option, secret)
    assert refused(key, changed) == "wrong_signature"


def test_an_old_signature_of_mailguns_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = secrets_of("mailgun_email")["webhook_signing_key"]
    asked = by_mailgun(b"{}", secret)
    verify("mailgun_email", asked)
    moment = time.time() + 301
    monkeypatch.setattr(time, "time", lambda: moment)
    assert refused("mailgun_email", asked) == "stale"


@pytest.mark.parametrize(
    "key", ["mailgun_email", "mailersend_email", "mandrill_email", "resend_email", "amazon_ses_email"]
)
def test_without_a_secret_nothing_is_believed(key: str) -> None:
    assert refused(key, hook(b"{}"), {}) == "no_secret"


@pytest.mark.parametrize("key", ["postmark_email", "brevo_email", "mailjet_email", "sparkpost_email"])
def test_who_knows_the_login_of_the_address_is_believed(key: str) -> None:
    secrets = secrets_of(key)
    pair = f"{secrets['webhook_username']}:{secrets['webhook_password']}"
    verify(key, hook(b"{}", Authorization=f"Basic {base64.b64encode(pair.encode()).decode()}"))
    for wrong in ("hub:", "hub:wrong", ":", f"x{pair}"):
        asked = hook(b"{}", Authorization=f"Basic {base64.b64encode(wrong.encode()).decode()}")
        assert refused(key, asked) == "wrong_signature"
    assert refused(key, hook(b"{}")) == "wrong_signature"


def by_resend(body: bytes, secret: str, moment: float | None = None, id_: str = "msg_1") -> Webhook:
    """Signed by the package of those who wrote the standard."""
    at = datetime.fromtimestamp(time.time() if moment is None else moment, UTC)
    signature = StandardWebhook(secret).sign(id_, at, body.decode())
    return hook(body, svix_id=id_, svix_timestamp=str(int(at.timestamp())), svix_signature=signature)


def test_resend_is_believed_as_standard_webhooks_says() -> None:
    secret = secrets_of("resend_email")["webhook_secret"]
    asked = by_resend(b'{"type": "email.sent"}', secret)
    verify("resend_email", asked)
    rotated = {**asked.headers, "svix-signature": f"v1,AAAA {asked.headers['svix-signature']} v2,x"}
    verify("resend_email", replace(asked, headers=rotated))
    assert refused("resend_email", replace(asked, body=asked.body + b" ")) == "wrong_signature"
    assert refused("resend_email", replace(asked, headers={**asked.headers, "svix-id": "msg_2"})) == "wrong_signature"
    assert refused("resend_email", by_resend(b"{}", secret, time.time() - 301)) == "stale"
    assert refused("resend_email", by_resend(b"{}", secret, time.time() + 302)) == "stale"
    assert (
        refused("resend_email", by_resend(b"{}", "whsec_" + base64.b64encode(b"x" * 24).decode())) == "wrong_signature"
    )


# --- Events ---

META = {"attempt_id": str(ATTEMPT)}
EVENTS: dict[str, tuple[Any, Kind, str, bool]] = {
    # The body, the kind, the reference, and whether our own id comes back.
    "mailgun_email": (
        {
            "signature": {"token": "t", "timestamp": "1", "signature": "s"},
            "event-data": {
                "event": "delivered",
                "id": "CPgfbmQMTCKtHW6uIWtuVe",
                "timestamp": NOW + 0.5,
                "recipient": "ada@example.com",
                "message": {"headers": {"message-id": "20261126.1@mg.example.com"}},
                "user-variables": META,
            },
        },
        Kind.DELIVERED,
        "<20261126.1@mg.example.com>",
        True,
    ),
    "postmark_email": (
        {
            "RecordType": "Bounce",
            "ID": 42,
            "Type": "HardBounce",
            "TypeCode": 1,
            "MessageID": "b7bc2f4a-1",
            "Email": "ada@example.com",
            "BouncedAt": "2026-11-26T02:00:00Z",
            "Metadata": META,
        },
        Kind.BOUNCED,
        "b7bc2f4a-1",
        True,
    ),
    "brevo_email": (
        {
            "event": "delivered",
            "email": "ada@example.com",
            "message-id": "<1@smtp-relay.mailin.fr>",
            "ts_epoch": NOW * 1000,
            "X-Mailin-custom": json.dumps(META),
        },
        Kind.DELIVERED,
        "<1@smtp-relay.mailin.fr>",
        True,
    ),
    "mailersend_email": (
        {
            "type": "activity.hard_bounced",
            "data": {
                "id": "63fd",
                "type": "hard_bounced",
                "created_at": "2026-11-26T02:00:00.000000Z",
                "email": {"message": {"id": "5e42957d51f1d94a1070a733"}, "recipient": {"email": "ada@example.com"}},
                "morph": {"object": "recipient_bounce", "reason": "Host not found"},
            },
        },
        Kind.BOUNCED,
        "5e42957d51f1d94a1070a733",
        False,
    ),
    "mailjet_email": (
        [{"event": "sent", "time": NOW, "MessageID": 456, "email": "ada@example.com", "Payload": json.dumps(META)}],
        Kind.DELIVERED,
        "456",
        True,
    ),
    "mailtrap_email": (
        {
            "events": [
                {
                    "event": "delivery",
                    "timestamp": NOW,
                    "message_id": "0c7fd939-1",
                    "event_id": "e-1",
                    "custom_variables": META,
                }
            ]
        },
        Kind.DELIVERED,
        "0c7fd939-1",
        True,
    ),
    "sparkpost_email": (
        [
            {
                "msys": {
                    "message_event": {
                        "type": "delivery",
                        "timestamp": str(NOW),
                        "transmission_id": "1166",
                        "event_id": "9",
                        "rcpt_meta": META,
                    }
                }
            }
        ],
        Kind.DELIVERED,
        "1166",
        True,
    ),
    "unisender_go_email": (
        {
            "auth": "x",
            "events_by_user": [
                {
                    "events": [
                        {
                            "event_name": "transactional_email_status",
                            "event_data": {
                                "job_id": "1ZymBc",
                                "metadata": META,
                                "email": "ada@example.com",
                                "status": "delivered",
                                "event_time": "2026-11-26 02:00:00",
                            },
                        }
                    ]
                }
            ],
        },
        Kind.DELIVERED,
        "1ZymBc",
        True,
    ),
    "resend_email": (
        {
            "type": "email.bounced",
            "created_at": "2026-11-26T02:00:00.000Z",
            "data": {"email_id": "49a3999c-1", "tags": META, "bounce": {"type": "Permanent", "message": "no"}},
        },
        Kind.BOUNCED,
        "49a3999c-1",
        True,
    ),
}


@pytest.mark.parametrize("key", EVENTS)
def test_an_event_is_said_in_the_hubs_words(key: str) -> None:
    body, kind, reference, has_attempt = EVENTS[key]
    [event] = read(key, body, svix_id="msg_1")
    assert (event.kind, event.reference) == (kind, reference)
    assert event.attempt_id == (ATTEMPT if has_attempt else None)
    assert event.occurred_at
    assert event.occurred_at.tzinfo
    assert 0 < len(event.key) <= 200
    assert bool(event.reason) is (kind is Kind.BOUNCED)
    assert "signature" not in event.payload
    [again] = read(key, body, svix_id="msg_1")
    assert again.key == event.key


@pytest.mark.parametrize("key", ["brevo_email", "mailjet_email", "postmark_email"])
def test_two_statuses_of_one_message_are_two_events(key: str) -> None:
    """Of services that give their events no id."""
    body: Any = json.dumps(EVENTS[key][0])
    other = body.replace("delivered", "opened").replace("sent", "open").replace("HardBounce", "SpamComplaint")
    assert read(key, body.encode())[0].key != read(key, other.encode())[0].key


def test_mandrills_events_come_together_in_a_form() -> None:
    told = [
        {"event": "send", "_id": "abc123", "ts": NOW, "msg": {"metadata": META, "email": "ada@example.com"}},
        {"event": "hard_bounce", "_id": "abc124", "ts": NOW, "msg": {"email": "bob@example.com"}},
        {"event": "whitelist", "_id": "x", "ts": NOW},
    ]
    form = urlencode({"mandrill_events": json.dumps(told)}).encode()
    events = read("mandrill_email", form, content_type="application/x-www-form-urlencoded")
    assert [(event.kind, event.reference) for event in events] == [(Kind.SENT, "abc123"), (Kind.BOUNCED, "abc124")]
    assert [event.attempt_id for event in events] == [ATTEMPT, None]


def test_a_deferral_is_no_failure() -> None:
    body = json.loads(json.dumps(EVENTS["mailgun_email"][0]))
    body["event-data"] |= {"event": "failed", "severity": "temporary", "reason": "generic"}
    [event] = read("mailgun_email", body)
    assert (event.kind, event.reason) == (Kind.DEFERRED, "")


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("resend_email", {"type": "contact.created", "data": {}}),
        ("sparkpost_email", [{"msys": {}}]),
        ("mailjet_email", []),
        ("brevo_email", {"event": "list_addition", "email": "a@example.com"}),
    ],
)
def test_what_the_hub_has_no_word_for_is_left_out(key: str, body: Any) -> None:
    assert read(key, body) == []


def test_a_digest_that_is_spelled_by_escapes_is_none_of_unisenders() -> None:
    """It would be left in what is signed, where the key has to stand."""
    plain = by_unisender(b'{"event": "delivered"}', secrets_of("unisender_go_email")["api_key"])
    digest = json.loads(plain.body)["auth"]
    escaped = plain.body.replace(digest.encode(), f"\\u{ord(digest[0]):04x}{digest[1:]}".encode())
    assert json.loads(escaped) == json.loads(plain.body)
    assert refused("unisender_go_email", replace(plain, body=escaped)) == "unreadable"


@pytest.mark.parametrize("moment", [1e30, 10**30, 1e17, "x"])
def test_a_time_that_no_calendar_has_is_another_shape_than_theirs(moment: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        read("mailjet_email", [{"event": "sent", "time": moment, "MessageID": 1}])
