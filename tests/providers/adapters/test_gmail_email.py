"""Wire and answers as Google documents them; the message is read back by the standard library's own parser."""

import base64
import json
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import Any
from uuid import uuid4

import pytest

from providers import registry
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests.providers.carriers import Told
from tests.providers.mailboxes import TOKEN, GmailServer, gmail_error, mail_to, message_in, send_mail, written_in

EVIL = base64.b64encode(b"Hello\r\nBcc: mallory@example.com").decode()
SMUGGLED = [
    "=?utf-8?q?Hello=0D=0ABcc:_mallory@example.com?=",
    "=?utf-8?q?Hello=0ABcc:_mallory@example.com?=",
    "=?utf-8?q?Hello=0DBcc:_mallory@example.com?=",
    f"=?utf-8?b?{EVIL}?=",
    "=?utf-8?q?Hello=0D=0A=0D=0AAnother_body?=",
]


def file(name: str, content: bytes, content_type: str = "application/pdf") -> dict[str, str]:
    return {"filename": name, "content_type": content_type, "content": base64.b64encode(content).decode()}


def test_the_request_is_on_the_wire_as_documented(gmail: GmailServer) -> None:
    attempt_id = uuid4()
    send_mail(gmail, attempt_id=attempt_id)
    [asked] = gmail.asked
    assert (asked.method, asked.path) == ("POST", "/gmail/v1/users/me/messages/send")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["content-type"] == "application/json"
    assert written_in(asked) == (
        b"To: ada@example.com\r\nSubject: Your receipt\r\n"
        b"Message-ID: <" + str(attempt_id).encode() + b"@integration-hub.invalid>\r\n"
        b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\nMIME-Version: 1.0\r\n'
        b"\r\nThank you, Ada.\r\n"
    )
    assert gmail.faults == []


def test_an_accepted_message_returns_gmails_id_and_thread(gmail: GmailServer) -> None:
    receipt = send_mail(gmail)
    assert receipt.reference == f"18c{1:013x}"
    assert receipt.result == {"thread_id": f"18c{1:013x}"}


def test_everybody_named_is_a_recipient_and_answers_go_where_they_should(gmail: GmailServer) -> None:
    send_mail(
        gmail,
        to=["ada@example.com", "bob@example.com"],
        cc=["cy@example.com"],
        bcc=["di@example.com"],
        reply_to="help@example.com",
        **{"from": "orders@example.com"},
    )
    message = message_in(gmail.asked[0])
    named = {name: [each.addr_spec for each in message[name].addresses] for name in ("To", "Cc", "Bcc", "Reply-To")}
    assert named == {
        "To": ["ada@example.com", "bob@example.com"],
        "Cc": ["cy@example.com"],
        "Bcc": ["di@example.com"],
        "Reply-To": ["help@example.com"],
    }
    assert message["From"].addresses[0].addr_spec == "orders@example.com"
    assert gmail.faults == []


def test_the_account_sends_as_itself_where_no_sender_is_named(gmail: GmailServer) -> None:
    send_mail(gmail)
    assert message_in(gmail.asked[0])["From"] is None


@pytest.mark.parametrize("name", ["Blue Bottle", "Café Müller", 'Bob "the" <builder>, Ltd.', "日本語の長い名前" * 8])
def test_a_name_is_shown_as_it_is_written(gmail: GmailServer, name: str) -> None:
    send_mail(gmail, config={"from": "orders@example.com", "from_name": name})
    # The older of the two parsers: the newer keeps the space between encoded words that RFC 2047 takes away.
    written = str(message_from_bytes(written_in(gmail.asked[0]))["From"])
    sender = parseaddr(str(make_header(decode_header(written))))
    assert sender == (name, "orders@example.com")
    assert gmail.faults == []


@pytest.mark.parametrize(
    "subject", ["Grüße aus Köln", "您的收据 №5", "ü" * 998, "word " * 190 + "end", "1+1=? Quiz =?"]
)
def test_a_subject_arrives_as_it_was_given(gmail: GmailServer, subject: str) -> None:
    send_mail(gmail, subject=subject)
    assert message_in(gmail.asked[0])["Subject"] == subject
    assert gmail.faults == []


def test_text_and_html_are_two_ways_to_read_one_message(gmail: GmailServer) -> None:
    send_mail(gmail, text="Grüße,\nAda\n" + "x" * 3000, html="<p>Grüße</p>")
    message = message_in(gmail.asked[0])
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), text.get_content()) == ("text/plain", "Grüße,\r\nAda\r\n" + "x" * 3000 + "\r\n")
    assert (html.get_content_type(), html.get_content()) == ("text/html", "<p>Grüße</p>\r\n")
    assert gmail.faults == []


def test_html_alone_needs_no_text(gmail: GmailServer) -> None:
    send_mail(gmail, text=None, html="<p>Hello</p>")
    message = message_in(gmail.asked[0])
    assert (message.get_content_type(), message.get_content()) == ("text/html", "<p>Hello</p>\r\n")


def test_attachments_keep_their_bytes_names_and_types(gmail: GmailServer) -> None:
    files = [
        file("Rechnung für Ämter 日本語日本語日本語日本語日本語.pdf", bytes(range(256)) * 50),
        file('a "b"; c.csv', "ä;1\r\n".encode(), "text/csv; charset=utf-8"),
        file("mail.eml", b"Subject: inner\r\n\r\nHi", "message/rfc822"),
    ]
    send_mail(gmail, html="<p>Hello</p>", attachments=files)
    message = message_in(gmail.asked[0])
    assert message.get_content_type() == "multipart/mixed"
    parts = list(message.iter_attachments())
    assert [part.get_filename() for part in parts] == [each["filename"] for each in files]
    assert [part.get_content_type() for part in parts] == ["application/pdf", "text/csv", "application/octet-stream"]
    assert parts[1].get_param("charset") == "utf-8"
    assert [part.get_payload(decode=True) for part in parts] == [base64.b64decode(each["content"]) for each in files]
    assert gmail.faults == []


def test_a_long_header_is_left_whole(gmail: GmailServer) -> None:
    address = f"<https://example.com/leave/{'a' * 300}>"
    send_mail(gmail, headers={"List-Unsubscribe": address, "X-Ordered-By": "Zoë"})
    assert f"\r\nList-Unsubscribe: {address}\r\n".encode() in written_in(gmail.asked[0])
    assert message_in(gmail.asked[0])["X-Ordered-By"] == "Zoë"


@pytest.mark.parametrize("smuggled", SMUGGLED)
@pytest.mark.parametrize("place", ["subject", "header", "name", "filename"])
def test_a_line_break_inside_an_encoded_word_becomes_no_header(gmail: GmailServer, smuggled: str, place: str) -> None:
    given: dict[str, dict[str, Any]] = {
        "subject": {"subject": smuggled},
        "header": {"headers": {"X-Last": smuggled}},
        "name": {"config": {"from": "orders@example.com", "from_name": smuggled}},
        "filename": {"attachments": [file(smuggled, b"x")]},
    }
    with pytest.raises(Stop) as caught:
        send_mail(gmail, **given[place])
    assert (caught.value.reason, gmail.hits) == ("unwritable_message", 0)


@pytest.mark.parametrize("address", ["ü@example.com", "a..b@example.com", "a@b..c", "a\u0001b@example.com"])
def test_an_address_that_no_header_holds_is_not_sent_to(gmail: GmailServer, address: str) -> None:
    with pytest.raises(Stop) as caught:
        send_mail(gmail, cc=[address])
    assert caught.value.reason == "unwritable_message"
    assert gmail.hits == 0


@pytest.mark.parametrize(
    ("status", "said", "kind", "reason", "is_refused"),
    [
        (400, "invalidArgument", Stop, "gmail_invalid_argument", False),
        (400, "badRequest", Stop, "upstream_400", False),
        (400, "failedPrecondition", Next, "gmail_failed_precondition", False),
        (401, "authError", Next, "gmail_auth_error", True),
        (403, "insufficientPermissions", Next, "gmail_insufficient_permissions", True),
        (403, "domainPolicy", Next, "gmail_domain_policy", True),
        (403, "accessNotConfigured", Next, "gmail_access_not_configured", False),
        (403, "rateLimitExceeded", Retry, "gmail_rate_limit_exceeded", False),
        (403, "userRateLimitExceeded", Retry, "gmail_user_rate_limit_exceeded", False),
        (403, "quotaExceeded", Next, "gmail_quota_exceeded", False),
        (403, "dailyLimitExceeded", Next, "gmail_daily_limit_exceeded", False),
        (403, "somethingNew", Next, "upstream_403", True),
        (413, "uploadTooLarge", Next, "upstream_413", False),
        (429, "userRateLimitExceeded", Retry, "gmail_user_rate_limit_exceeded", False),
        (429, "rateLimitExceeded", Retry, "gmail_rate_limit_exceeded", False),
        (500, "backendError", Ambiguous, "upstream_500", False),
        (502, "rateLimitExceeded", Ambiguous, "upstream_502", False),
        (503, "backendError", Retry, "upstream_503", False),
    ],
)
def test_every_reason_has_its_class(
    gmail: GmailServer, status: int, said: str, kind: type[ProviderError], reason: str, is_refused: bool
) -> None:
    gmail.answer = lambda _: gmail_error(status, said, f"No luck with {TOKEN} today")
    with pytest.raises(ProviderError, match=r"No luck with \[hidden\] today") as caught:
        send_mail(gmail)
    error = caught.value
    assert (type(error), error.reason, error.upstream_status) == (kind, reason, status)
    assert error.credential_refused is is_refused
    assert TOKEN not in str(vars(error))


def test_an_application_at_its_daily_limit_is_left_alone_for_long(gmail: GmailServer) -> None:
    gmail.answer = lambda _: gmail_error(403, "dailyLimitExceeded", "Daily Limit Exceeded")
    with pytest.raises(Next) as caught:
        send_mail(gmail)
    assert caught.value.retry_after == 300


@pytest.mark.parametrize(
    "error",
    ["no", None, [], {"errors": "no"}, {"errors": []}, {"errors": [5]}, {"errors": [{"reason": ["x"]}]},
     {"message": {"no": "text"}, "errors": [{"reason": "A b\nc"}]}],
)  # fmt: skip
def test_an_error_of_no_known_shape_leaves_the_status_to_speak(gmail: GmailServer, error: object) -> None:
    gmail.answer = lambda _: Told(400, {"error": error})
    with pytest.raises(Stop) as caught:
        send_mail(gmail)
    assert caught.value.reason == "upstream_400"


@pytest.mark.parametrize("said", [{}, {"id": ""}, {"id": 5}, {"id": ["x"]}, {"threadId": "t"}])
def test_an_acceptance_without_an_id_is_ambiguous(gmail: GmailServer, said: object) -> None:
    gmail.answer = lambda _: Told(200, said)
    with pytest.raises(Ambiguous) as caught:
        send_mail(gmail)
    assert caught.value.reason == "unreadable_answer"


def test_a_thread_that_is_no_text_is_left_out(gmail: GmailServer) -> None:
    gmail.answer = lambda _: Told(200, {"id": "m-1", "threadId": 5})
    assert send_mail(gmail).result == {"thread_id": None}


def test_the_adapter_says_whose_account_it_needs() -> None:
    adapter = registry.get("gmail_email")
    assert (adapter.connection_provider, adapter.credential_schema) == ("google", None)
    assert {scope.rsplit("/", 1)[-1] for scope in adapter.connection_scopes} == {
        *("gmail.send", "gmail.compose", "gmail.modify", ""),
    }


def test_a_call_tells_no_token(gmail: GmailServer) -> None:
    assert TOKEN not in repr(mail_to(gmail))
    send_mail(gmail)
    assert TOKEN not in json.dumps(json.loads(gmail.asked[0].body))
