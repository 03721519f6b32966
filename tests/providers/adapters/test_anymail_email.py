"""What is a service's own, of those that django-anymail speaks to: its successes, its refusals, what it cannot say."""

import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest

from integrationhub.core.errors import InvalidRequest
from providers import registry
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests.providers import mail_services
from tests.providers.answering import AnsweringServer
from tests.providers.mail_services import REFERENCES, TO, accept, mail, send

KEYS = sorted(mail_services.ACCEPTANCES)


@pytest.mark.parametrize("key", KEYS)
def test_an_accepted_message_returns_the_services_reference(server: AnsweringServer, key: str) -> None:
    accept(server, key)
    receipt = send(server, key)
    assert receipt.reference == REFERENCES[key]
    assert [each["to"] for each in receipt.result["recipients"]] == [TO]
    assert receipt.result["status"] in ("queued", "sent")
    assert len(server.asked) == 1


@pytest.mark.parametrize("key", KEYS)
def test_nobody_is_no_sender(server: AnsweringServer, key: str) -> None:
    """Django has a default for one, and it is nobody's."""
    call = mail(server, key, **{"from": None})
    with pytest.raises(InvalidRequest) as refused:
        registry.instance(key).preflight(call)
    assert [fault["field"] for fault in refused.value.details["fields"]] == ["payload.from"]
    with pytest.raises(Next) as caught:
        registry.instance(key).execute(call)
    assert (caught.value.reason, server.asked) == ("sender_missing", [])


@pytest.mark.parametrize("key", KEYS)
def test_two_tenants_are_never_mixed(server: AnsweringServer, key: str) -> None:
    """What is sent holds the secrets of its own call alone, though one adapter serves both."""
    accept(server, key)
    first = mail(server, key)
    name = next(iter(first.secrets))
    second = mail(server, key)
    second.secrets[name] = "another-tenants-secret-0123456789"  # type: ignore[index]
    registry.instance(key).execute(second)
    registry.instance(key).execute(first)
    seen = [str(asked.headers).encode() + asked.body for asked in server.asked]
    if key not in ("mailgun_email", "mailjet_email"):  # Theirs are in base64, see the comparisons on the wire.
        assert b"another-tenants-secret" in seen[0]
    assert b"another-tenants-secret" not in seen[1]


# --- Refusals ---

RECIPIENT = {"ErrorCode": 406, "Message": "You tried to send to recipient(s) that have been marked as inactive."}
REJECTED = {"email": TO, "status": "rejected"}
REFUSALS: list[tuple[str, int, Any, type[ProviderError], str]] = [
    ("mailgun_email", 401, b"Forbidden", Next, "upstream_401"),
    ("mailgun_email", 404, {"message": "Domain not found: mg.example.com"}, Next, "upstream_404"),
    ("mailgun_email", 400, {"message": "to parameter is not a valid address"}, Stop, "upstream_400"),
    ("mailgun_email", 200, b"Mailgun Magnificent API", Next, "wrong_address"),
    ("mailgun_email", 500, {"message": "Internal Server Error"}, Ambiguous, "upstream_500"),
    ("postmark_email", 422, RECIPIENT, Stop, "postmark_406"),
    ("postmark_email", 422, {"ErrorCode": 300, "Message": "Error parsing 'To'"}, Stop, "postmark_300"),
    ("postmark_email", 401, {"ErrorCode": 10, "Message": "Bad or missing API token."}, Next, "postmark_10"),
    ("postmark_email", 422, {"ErrorCode": 400, "Message": "The Sender Signature is not found."}, Next, "postmark_400"),
    ("postmark_email", 422, {"ErrorCode": 405, "Message": "Not allowed to send"}, Next, "postmark_405"),
    ("postmark_email", 422, {"ErrorCode": 412, "Message": "Account is pending"}, Next, "postmark_412"),
    ("postmark_email", 422, {"ErrorCode": 413, "Message": "Account may not send"}, Next, "postmark_413"),
    ("postmark_email", 422, {"ErrorCode": 100, "Message": "Maintenance"}, Retry, "postmark_100"),
    ("postmark_email", 500, {"ErrorCode": 406, "Message": "?"}, Ambiguous, "upstream_500"),
    ("postmark_email", 200, {"ErrorCode": 406, "Message": "?"}, Ambiguous, "unreadable_answer"),
    ("resend_email", 403, {"name": "invalid_api_key", "message": "no"}, Next, "resend_invalid_api_key"),
    ("resend_email", 401, {"name": "validation_error", "message": "API key is invalid"}, Next, "upstream_401"),
    ("resend_email", 403, {"name": "validation_error", "message": "not verified"}, Next, "upstream_403"),
    ("resend_email", 422, {"name": "validation_error", "message": "Invalid `to`"}, Stop, "upstream_422"),
    ("resend_email", 422, {"name": "invalid_from_address", "message": "no"}, Next, "resend_invalid_from_address"),
    ("resend_email", 429, {"name": "rate_limit_exceeded", "message": "no"}, Retry, "resend_rate_limit_exceeded"),
    ("resend_email", 429, {"name": "daily_quota_exceeded", "message": "no"}, Next, "resend_daily_quota_exceeded"),
    ("resend_email", 500, {"name": "application_error", "message": "no"}, Ambiguous, "upstream_500"),
    ("brevo_email", 401, {"code": "unauthorized", "message": "Key not found"}, Next, "brevo_unauthorized"),
    ("brevo_email", 400, {"code": "not_enough_credits", "message": "no"}, Next, "brevo_not_enough_credits"),
    ("brevo_email", 400, {"code": "invalid_parameter", "message": "email is not valid"}, Stop, "upstream_400"),
    ("brevo_email", 201, b"", Ambiguous, "unreadable_answer"),
    (
        "mailersend_email", 422,
        {"message": "no", "errors": {"from.email": ["The from.email domain must be verified. #MS42207"]}},
        Next, "mailersend_ms42207",
    ),
    ("mailersend_email", 422, {"errors": {"to.0.email": ["must be valid. #MS42208"]}}, Stop, "upstream_422"),
    ("mailersend_email", 422, {"errors": {"subject": ["The subject is required. #MS42209"]}}, Stop, "upstream_422"),
    ("mailersend_email", 422, {"message": "Too many recipients. #MS42205"}, Next, "mailersend_ms42205"),
    ("mailersend_email", 422, {"message": "This feature requires a plan. #MS42216"}, Next, "mailersend_ms42216"),
    ("mailersend_email", 429, {"message": "API daily quota limit. #MS42901"}, Next, "mailersend_ms42901"),
    ("mailersend_email", 429, {"message": "its rate limit of 120 requests/min. #MS42903"}, Retry, "upstream_429"),
    (
        "mailjet_email", 400,
        {"Messages": [{"Status": "error", "Errors": [{"ErrorCode": "send-0008", "ErrorMessage": "not a sender"}]}]},
        Next, "mailjet_send_0008",
    ),
    (
        "mailjet_email", 400,
        {"Messages": [{"Status": "error", "Errors": [{"ErrorCode": "mj-0013", "ErrorMessage": "invalid e-mail"}]}]},
        Stop, "upstream_400",
    ),
    ("mailjet_email", 401, {"StatusCode": 401, "ErrorMessage": "API key authentication failure"}, Next, "upstream_401"),
    ("mailtrap_email", 401, {"success": False, "errors": ["Unauthorized"]}, Next, "upstream_401"),
    ("mailtrap_email", 400, {"success": False, "errors": ["'to' address is invalid"]}, Stop, "upstream_400"),
    ("mailtrap_email", 200, {"success": False, "errors": ["no"]}, Ambiguous, "unreadable_answer"),
    ("mandrill_email", 500, {"status": "error", "name": "Invalid_Key", "message": "no"}, Next, "mandrill_invalid_key"),
    ("mandrill_email", 500, {"status": "error", "name": "PaymentRequired"}, Next, "mandrill_payment_required"),
    ("mandrill_email", 500, {"status": "error", "name": "ValidationError"}, Stop, "mandrill_validation_error"),
    ("mandrill_email", 500, {"status": "error", "name": "GeneralError"}, Ambiguous, "upstream_500"),
    ("mandrill_email", 200, [{**REJECTED, "reject_reason": "hard-bounce"}], Stop, "recipients_refused"),
    ("mandrill_email", 200, [{**REJECTED, "reject_reason": "unsigned"}], Next, "mandrill_unsigned"),
    ("scaleway_email", 403, {"type": "permissions_denied", "message": "no"}, Next, "scaleway_permissions_denied"),
    ("scaleway_email", 412, {"type": "precondition_failed", "message": "no"}, Next, "scaleway_precondition_failed"),
    ("scaleway_email", 403, {"type": "locked", "message": "no"}, Next, "scaleway_locked"),
    ("scaleway_email", 400, {"type": "invalid_arguments", "message": "no"}, Stop, "scaleway_invalid_arguments"),
    ("sparkpost_email", 400, {"errors": [{"code": "7001", "message": "Invalid domain"}]}, Next, "sparkpost_7001"),
    ("sparkpost_email", 400, {"errors": [{"code": "1902", "message": "rejection"}]}, Stop, "sparkpost_1902"),
    ("sparkpost_email", 422, {"errors": [{"code": "2005", "message": "no template"}]}, Next, "sparkpost_2005"),
    ("sparkpost_email", 420, {"errors": [{"code": "2101", "message": "limit"}]}, Next, "sparkpost_2101"),
    ("sparkpost_email", 420, {"errors": [{"message": "Exceed Sending Limit"}]}, Next, "upstream_420"),
    ("sparkpost_email", 403, {"errors": [{"message": "Forbidden."}]}, Next, "upstream_403"),
    ("unisender_go_email", 400, {"code": 204, "message": "No valid recipients"}, Stop, "unisender_go_204"),
    ("unisender_go_email", 401, {"code": 102, "message": "no key"}, Next, "unisender_go_102"),
    ("unisender_go_email", 400, {"code": 206, "message": "not verified"}, Next, "unisender_go_206"),
    ("unisender_go_email", 400, {"code": 1574, "message": "from_email denied"}, Next, "unisender_go_1574"),
    ("unisender_go_email", 400, {"code": 1508, "message": "no such template"}, Next, "unisender_go_1508"),
    ("unisender_go_email", 403, {"code": 903, "message": "own domains only"}, Next, "unisender_go_903"),
    ("unisender_go_email", 429, {"message": "slow down"}, Retry, "upstream_429"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "status", "body", "kind", "reason"), REFUSALS, ids=[f"{r[0]} {r[4]}" for r in REFUSALS]
)
def test_a_refusal_has_the_class_of_its_own_code(
    server: AnsweringServer, key: str, status: int, body: Any, kind: type[ProviderError], reason: str
) -> None:
    server.answer(status, body)
    with pytest.raises(ProviderError) as caught:
        send(server, key)
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert caught.value.upstream_status == status


@pytest.mark.parametrize(
    ("key", "status", "body", "is_refused"),
    [
        ("postmark_email", 422, {"ErrorCode": 10, "Message": "no"}, True),
        ("postmark_email", 401, {"ErrorCode": 412, "Message": "no"}, False),
        ("mandrill_email", 500, {"name": "Invalid_Key"}, True),
        ("sparkpost_email", 403, {"errors": [{"code": "7001"}]}, False),
        ("brevo_email", 400, {"code": "unauthorized"}, True),
        ("mailjet_email", 401, {"ErrorCode": "mj-0001", "ErrorMessage": "temporarily blocked"}, False),
        ("scaleway_email", 403, {"type": "locked"}, False),
        ("unisender_go_email", 403, {"code": 904}, False),
    ],
)
def test_a_credential_is_called_refused_by_the_code(
    server: AnsweringServer, key: str, status: int, body: Any, is_refused: bool
) -> None:
    server.answer(status, body)
    with pytest.raises(ProviderError) as caught:
        send(server, key)
    assert caught.value.credential_refused is is_refused


@pytest.mark.parametrize(
    ("key", "status", "body"),
    [
        ("postmark_email", 422, {"ErrorCode": 405, "Message": "no"}),
        ("resend_email", 429, {"name": "monthly_quota_exceeded"}),
        ("brevo_email", 400, {"code": "not_enough_credits"}),
        ("mandrill_email", 500, {"name": "PaymentRequired"}),
        ("mailersend_email", 422, {"message": "Your account reached its email quota limit. #MS42204"}),
        ("mailersend_email", 422, {"message": "Your trial domain reached its email quota limit. #MS42222"}),
        ("unisender_go_email", 403, {"code": 904, "message": "no funds"}),
    ],
)
def test_an_account_without_credit_is_left_alone(server: AnsweringServer, key: str, status: int, body: Any) -> None:
    server.answer(status, body)
    with pytest.raises(Next) as caught:
        send(server, key)
    assert caught.value.retry_after == 300


# --- Several recipients ---

BOB = "bob@example.com"
PARTIAL: dict[str, tuple[int, Any, dict[str, str]]] = {
    "postmark_email": (
        200,
        {
            "To": TO,
            "MessageID": "m-1",
            "ErrorCode": 0,
            "Message": f"Message OK, but will not deliver to these inactive addresses: {BOB}. Inactive recipients are"
            " ones that have generated a hard bounce.",
        },
        {},
    ),
    "mailersend_email": (
        202,
        {
            "message": "There are some warnings.",
            "warnings": [{"type": "SOME_SUPPRESSED", "recipients": [{"email": BOB}]}],
        },
        {"X-Message-Id": "m-1", "Content-Type": "application/json"},
    ),
    "mandrill_email": (
        200,
        [
            {"email": BOB, "status": "rejected", "_id": "r-1", "reject_reason": "spam"},
            {"email": TO, "status": "queued", "_id": "m-1"},
        ],
        {},
    ),
    "unisender_go_email": (
        200,
        {"status": "success", "job_id": "m-1", "emails": [TO], "failed_emails": {BOB: "unsubscribed"}},
        {},
    ),
}


@pytest.mark.parametrize("key", PARTIAL)
def test_who_was_refused_is_told_when_others_were_written_to(server: AnsweringServer, key: str) -> None:
    """It is not tried elsewhere: the others would have it twice."""
    status, body, headers = PARTIAL[key]
    server.answer(status, body, **headers)
    receipt = send(server, key, to=[TO, BOB])
    told = {each["to"]: each["status"] for each in receipt.result["recipients"]}
    assert (receipt.reference, told[BOB]) == ("m-1", "rejected")
    assert told[TO] in ("queued", "sent")


@pytest.mark.parametrize(
    ("key", "status", "body", "headers"),
    [
        (
            "mailersend_email", 202,
            {"message": "no", "warnings": [{"type": "ALL_SUPPRESSED", "recipients": [{"email": TO}]}]},
            {"Content-Type": "application/json"},
        ),
        (
            "sparkpost_email", 200,
            {"results": {"total_rejected_recipients": 1, "total_accepted_recipients": 0, "id": "1"}}, {},
        ),
        ("unisender_go_email", 200, {"job_id": "j", "emails": [], "failed_emails": {TO: "invalid"}}, {}),
    ],
)  # fmt: skip
def test_when_every_recipient_is_refused_the_chain_ends(
    server: AnsweringServer, key: str, status: int, body: Any, headers: dict[str, str]
) -> None:
    server.answer(status, body, **headers)
    with pytest.raises(Stop) as caught:
        send(server, key)
    assert caught.value.reason == "recipients_refused"


def test_sparkpost_that_took_none_of_several_has_sent_nothing(server: AnsweringServer) -> None:
    server.answer(200, {"results": {"total_rejected_recipients": 1, "total_accepted_recipients": 0, "id": "1"}})
    with pytest.raises(Stop, match="every recipient is refused"):
        send(server, "sparkpost_email", cc=[TO])


def test_a_recipient_that_is_only_away_may_be_tried_by_another(server: AnsweringServer) -> None:
    server.answer(200, {"status": "success", "emails": [], "failed_emails": {TO: "temporary_unavailable"}})
    with pytest.raises(Next) as caught:
        send(server, "unisender_go_email")
    assert caught.value.reason == "recipients_failed"


# --- What a service cannot say ---


@pytest.mark.parametrize(
    ("key", "payload"),
    [
        ("postmark_email", {"tags": ["a", "b"]}),
        ("mailjet_email", {"tags": ["a", "b"]}),
        ("mailjet_email", {"template_id": "welcome"}),
        ("brevo_email", {"template_id": "welcome"}),
        ("brevo_email", {"headers": {"X-Name": "Zoë"}}),
        ("sparkpost_email", {"template_id": "welcome", "reply_to": "a@example.com"}),
        ("mailtrap_email", {"tags": ["a", "b"]}),
    ],
)
def test_what_a_service_cannot_say_is_left_to_another(
    server: AnsweringServer, key: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(Next) as caught:
        send(server, key, **payload)
    assert (caught.value.reason, server.asked) == ("unsupported_feature", [])
    assert "nothing was sent" in str(caught.value)


@pytest.mark.parametrize("key", ["resend_email", "scaleway_email"])
def test_a_template_is_left_to_a_service_that_has_some(server: AnsweringServer, key: str) -> None:
    with pytest.raises(Next) as caught:
        send(server, key, template_id="welcome")
    assert (caught.value.reason, server.asked) == ("templates_unsupported", [])


@pytest.mark.parametrize(
    "address", ["ada@exa mple.com", "Ada <ada@example.com>, bob@example.com", "ada", "ada@-ä-.com"]
)
def test_an_address_that_is_none_is_sent_to_nobody(server: AnsweringServer, address: str) -> None:
    with pytest.raises(Stop) as caught:
        send(server, "mailgun_email", to=[address])
    assert (caught.value.reason, server.asked) == ("unwritable_message", [])


def test_a_template_of_sparkposts_has_its_own_sender(server: AnsweringServer) -> None:
    accept(server, "sparkpost_email")
    send(server, "sparkpost_email", text=None, template_id="welcome", variables={"name": "Ada"})
    body = server.asked[0].json()
    assert body["content"] == {"template_id": "welcome"}
    assert body["substitution_data"] == {"name": "Ada"}


def test_a_numbered_template_is_named_by_its_number(server: AnsweringServer) -> None:
    accept(server, "brevo_email")
    send(server, "brevo_email", text=None, template_id="12", variables={"name": "Ada"})
    body = server.asked[0].json()
    assert (body["templateId"], body["params"]) == (12, {"name": "Ada"})


# --- Where it goes, and whether the login is right ---


@pytest.mark.parametrize(
    ("key", "secrets", "config", "host"),
    [
        ("mailgun_email", {"region": "eu"}, {}, "https://api.eu.mailgun.net"),
        ("mailgun_email", {"region": "us"}, {}, "https://api.mailgun.net"),
        ("mailjet_email", {"region": "us"}, {}, "https://api.us.mailjet.com"),
        ("sparkpost_email", {"region": "eu"}, {}, "https://api.eu.sparkpost.com"),
        ("unisender_go_email", {"region": "go2"}, {}, "https://go2.unisender.ru"),
        ("mailtrap_email", {}, {"sandbox_id": 7}, "https://sandbox.api.mailtrap.io"),
        ("mailtrap_email", {}, {}, "https://send.api.mailtrap.io"),
    ],
)
def test_a_region_has_its_own_address(
    server: AnsweringServer, key: str, secrets: dict[str, str], config: dict[str, Any], host: str
) -> None:
    adapter: Any = registry.instance(key)
    call = mail(server, key, config=config)
    there = adapter.placed(mail_services.replace(call, base_url="", secrets={**call.secrets, **secrets}))
    assert there.base_url == host


CHECKS: dict[str, Any] = {
    "mailgun_email": {"domain": {"name": "mg.example.com"}},
    "postmark_email": {"ID": 1},
    "resend_email": {"data": []},
    "brevo_email": {"email": "shop@example.com"},
    "mailersend_email": {"quota": 1000},
    "mailjet_email": {"Count": 0, "Data": []},
    "mailtrap_email": [{"id": 1, "name": "Shop"}],
    "mandrill_email": {"PING": "PONG!"},
    "scaleway_email": {"total_count": 0, "domains": []},
    "sparkpost_email": {"results": {}},
    "unisender_go_email": {"status": "success", "user_id": 1},
}


@pytest.mark.parametrize("key", KEYS)
def test_a_login_is_verified_by_a_call_that_changes_nothing(server: AnsweringServer, key: str) -> None:
    server.answer(200, CHECKS[key])
    assert registry.instance(key).check(mail(server, key)) is True
    assert "message" not in server.asked[0].path
    assert "send" not in server.asked[0].path.replace("sender", "")


def test_a_key_of_resends_that_may_only_send_is_a_good_one(server: AnsweringServer) -> None:
    server.answer(401, {"name": "restricted_api_key", "message": "This API key is restricted to only send emails."})
    assert registry.instance("resend_email").check(mail(server, "resend_email")) is True


def test_an_attempt_of_resends_is_sent_once(server: AnsweringServer) -> None:
    accept(server, "resend_email")
    attempt_id = uuid4()
    registry.instance("resend_email").execute(
        mail_services.replace(mail(server, "resend_email"), attempt_id=attempt_id)
    )
    assert server.asked[0].headers["Idempotency-Key"] == str(attempt_id)


def test_a_process_that_sends_no_mail_loads_no_anymail() -> None:
    """Each process imports each adapter: what is heavy waits for the first message."""
    program = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'integrationhub.settings'; django.setup()\n"
        "from providers import registry\n"
        "assert registry.get('mailgun_email') and registry.get('amazon_ses_email')\n"
        "print([name for name in ('anymail', 'boto3', 'botocore') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (said.stdout.strip(), said.returncode) == ("[]", 0), said.stderr


def test_a_region_is_not_hidden_in_the_services_words(server: AnsweringServer) -> None:
    server.answer(400, {"message": "You must use the key of this account."})
    call = mail(server, "mailgun_email")
    with pytest.raises(Stop, match="You must use the key of this account") as caught:
        registry.instance("mailgun_email").execute(
            mail_services.replace(call, secrets={**call.secrets, "region": "us"})
        )
    assert call.secrets["api_key"] not in str(caught.value)
