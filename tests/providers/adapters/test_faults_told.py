"""Which failures after the acceptance are the recipient's own, by each provider's codes: no other is tried then."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry
from providers import registry
from providers.callbacks import InboundEvent
from tests.providers.adapters.test_mail_callbacks import NOW, read
from tests.providers.hooks import hook

AT = "2026-11-26T02:00:00.000000Z"
STOP = catalogue.INVALID_REQUEST


def by_query(key: str, **fields: str) -> InboundEvent:
    asked = hook(method="GET", url=f"https://hub.example/x?{urlencode(fields)}")
    [event] = registry.instance(key).parse_webhook(asked)
    return event


def by_twilio(code: str) -> InboundEvent:
    told = {"MessageSid": "SM" + "a" * 32, "MessageStatus": "undelivered", "ErrorCode": code}
    [event] = registry.instance("twilio_sms").parse_webhook(hook(told))
    return event


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("30005", STOP),  # Nobody has this number.
        ("30006", STOP),  # A landline.
        ("21610", STOP),  # Opted out.
        ("21211", catalogue.INVALID_PHONE),
        ("30003", None),  # Switched off, or out of reach.
        ("30007", None),  # Filtered by this carrier.
        ("21408", None),  # This account may not send there.
        ("x" * 20, None),
    ],
)
def test_by_the_codes_of_twilio(code: str, fault: Entry | None) -> None:
    assert by_twilio(code).fault is fault


@pytest.mark.parametrize(("code", "fault"), [("3", STOP), ("4", STOP), ("9", STOP), ("13", STOP),
                                             ("2", None), ("8", None), ("14", None), ("99", None)])  # fmt: skip
def test_by_the_codes_of_vonages_receipts(code: str, fault: Entry | None) -> None:
    assert by_query("vonage_sms", messageId="0A1", status="failed", **{"err-code": code}).fault is fault
    assert by_query("vonage_sms", messageId="0A1", status="delivered", **{"err-code": code}).fault is None


@pytest.mark.parametrize(("code", "fault"), [("1", STOP), ("9", STOP), ("12", STOP), ("13", STOP),
                                             ("34", None), ("104", None), ("", None)])  # fmt: skip
def test_by_the_codes_of_messagebird(code: str, fault: Entry | None) -> None:
    told = {"id": "e807", "status": "delivery_failed", "statusErrorCode": code}
    assert by_query("messagebird_sms", **told).fault is fault


def ses(event: str, bounce: str = "") -> Any:
    said = {"eventType": event, "mail": {"messageId": "m", "tags": {}}, "bounce": {"bounceType": bounce}}
    return {"Type": "Notification", "MessageId": "1", "Timestamp": AT, "Message": json.dumps(said)}


def resend(kind: str, **data: Any) -> Any:
    return {"type": kind, "created_at": AT, "data": {"email_id": "4", **data}}


def mailgun(**more: str) -> Any:
    known = {"event": "failed", "id": "C", "timestamp": NOW, "severity": "permanent", "recipient": "ada@example.com"}
    return {"signature": {}, "event-data": {**known, "message": {"headers": {"message-id": "1"}}, **more}}


def postmark(kind: str) -> Any:
    return {"RecordType": "Bounce", "ID": 1, "Type": kind, "MessageID": "b", "Email": "a@b.c", "BouncedAt": AT}


def mailersend(kind: str) -> Any:
    email = {"message": {"id": "5"}, "recipient": {"email": "a@b.c"}}
    morph = {"object": "recipient_bounce", "reason": "Host not found"}
    data = {"id": "6", "type": kind, "created_at": AT, "email": email, "morph": morph}
    return {"type": f"activity.{kind}", "data": data}


def mailjet(**more: Any) -> Any:
    return [{"event": "bounce", "time": NOW, "MessageID": 456, "email": "a@b.c", "error": "user unknown", **more}]


def sparkpost(bounce_class: str) -> Any:
    event = {"type": "bounce", "timestamp": str(NOW), "transmission_id": "1", "event_id": "9"}
    return [{"msys": {"message_event": {**event, "bounce_class": bounce_class}}}]


def unisender(status: str) -> Any:
    data = {"job_id": "1", "email": "a@b.c", "status": "hard_bounced", "event_time": "2026-11-26 02:00:00"}
    data["delivery_info"] = {"delivery_status": status}  # type: ignore[assignment]
    return {"events_by_user": [{"events": [{"event_name": "transactional_email_status", "event_data": data}]}]}


def brevo(event: str) -> Any:
    return {"event": event, "email": "a@b.c", "message-id": "<1@x>", "ts_epoch": NOW * 1000}


def mailtrap(event: str) -> Any:
    return {"events": [{"event": event, "timestamp": NOW, "message_id": "0", "event_id": "e"}]}


MAIL: list[tuple[str, Any, bool]] = [
    ("amazon_ses_email", ses("Bounce", "Permanent"), True),
    ("amazon_ses_email", ses("Bounce", "Transient"), False),
    ("amazon_ses_email", ses("Bounce", "Undetermined"), False),
    ("amazon_ses_email", ses("Rendering Failure"), False),
    ("resend_email", resend("email.bounced", bounce={"type": "Permanent"}), True),
    ("resend_email", resend("email.bounced", bounce={"type": "Transient"}), False),
    ("resend_email", resend("email.suppressed", suppressed={}), True),
    ("resend_email", resend("email.failed", failed={"reason": "reached_daily_quota"}), False),
    ("mailgun_email", mailgun(reason="bounce"), True),
    ("mailgun_email", mailgun(reason="suppress-bounce"), True),
    ("mailgun_email", mailgun(reason="espblock"), False),
    ("postmark_email", postmark("HardBounce"), True),
    ("postmark_email", postmark("BadEmailAddress"), True),
    ("postmark_email", postmark("SoftBounce"), False),
    ("postmark_email", postmark("Blocked"), False),
    ("mailersend_email", mailersend("hard_bounced"), True),
    ("mailersend_email", mailersend("soft_bounced"), False),
    ("mailjet_email", mailjet(hard_bounce=True), True),
    ("mailjet_email", mailjet(hard_bounce=False), False),
    ("sparkpost_email", sparkpost("10"), True),
    ("sparkpost_email", sparkpost("22"), False),
    ("unisender_go_email", unisender("err_user_unknown"), True),
    ("unisender_go_email", unisender("err_mailbox_full"), False),
    ("brevo_email", brevo("hard_bounce"), True),
    ("brevo_email", brevo("soft_bounce"), False),
    ("mailtrap_email", mailtrap("bounce"), True),
    ("mailtrap_email", mailtrap("reject"), False),
]


@pytest.mark.parametrize(("key", "body", "is_theirs"), MAIL)
def test_by_what_email_services_say_of_a_bounce(key: str, body: Any, is_theirs: bool) -> None:
    [event] = read(key, body, svix_id="msg_1")
    assert event.reason
    assert event.fault is (STOP if is_theirs else None)


@pytest.mark.parametrize(("event", "is_theirs"), [("hard_bounce", True), ("soft_bounce", False)])
def test_by_what_mandrill_says_of_a_bounce(event: str, is_theirs: bool) -> None:
    said = [{"event": event, "_id": "abc124", "ts": NOW, "msg": {"_id": "abc124", "email": "bob@example.com"}}]
    body = urlencode({"mandrill_events": json.dumps(said)}).encode()
    [told] = read("mandrill_email", body, content_type="application/x-www-form-urlencoded")
    assert told.fault is (STOP if is_theirs else None)
