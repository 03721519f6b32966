"""E-mail on the wire: each adapter's request beside that of the provider's own library, or of anymail used alone.

anymail alone opens its own session and reads its options as it does in any Django project; that ours is the same
request shows that neither our session nor options given per call change what is sent.
"""

import base64
import importlib
from typing import Any

import pytest
import resend
from anymail.message import AnymailMessage
from postmarker.core import PostmarkClient
from resend.http_client_requests import RequestsClient

from providers import registry
from tests.providers import mail_services
from tests.providers.answering import AnsweringServer, Asked
from tests.providers.mail_services import FROM, TO, accept
from tests.providers.wire import Redirected, assert_same

# Where each service wants its key, if not in Authorization.
KEY_HEADERS = {
    "postmark_email": ["X-Postmark-Server-Token"], "brevo_email": ["api-key"], "mailtrap_email": ["Api-Token"],
    "scaleway_email": ["X-Auth-Token"], "unisender_go_email": ["X-API-KEY"], "resend_email": ["Idempotency-Key"],
}  # fmt: skip
# What we send for ourselves: our own id comes back with what the service tells of the message.
NO_METADATA = {"mailersend_email", "resend_email", "scaleway_email"}
PDF = {
    "filename": "Rechnung ü.pdf",
    "content_type": "application/pdf",
    "content": base64.b64encode(b"%PDF-1.7").decode(),
}
FULL: dict[str, Any] = {
    "subject": "Grüße & € 🎉",
    "text": "Thank you,\nAda. ü",
    "html": "<p>Thank you, <b>Ada</b>. ü</p>",
    "cc": ["grace@example.com"],
    "bcc": ["audit@example.com"],
    "reply_to": "support@example.com",
    "headers": {"X-Order": "4921"},
    "tags": ["receipt"],
    "attachments": [PDF],
}


def ours(server: AnsweringServer, key: str, config: dict[str, Any], payload: dict[str, Any]) -> tuple[Asked, str]:
    call = mail_services.mail(server, key, config=config, **payload)
    registry.instance(key).execute(call)
    return server.asked[-1], str(call.attempt_id)


def by_anymail(server: AnsweringServer, key: str, attempt_id: str, payload: dict[str, Any]) -> Asked:
    """The same message as anybody with anymail would send it."""
    row: Any = mail_services.adapter(key)
    secrets = mail_services.conformance.secrets_of(row)
    backend = importlib.import_module(f"anymail.backends.{row.service}").EmailBackend(
        api_url=server.base_url + row.api_path,
        **{option: secrets[name] for option, name in row.options.items() if name in secrets},
        **row.constants,
    )
    message = AnymailMessage(payload["subject"], payload["text"], f"Blue Bottle Café <{FROM}>", [TO])
    message.cc, message.bcc = payload.get("cc", []), payload.get("bcc", [])
    message.reply_to = [payload["reply_to"]] if "reply_to" in payload else []
    message.extra_headers = payload.get("headers", {})
    if "html" in payload:
        message.attach_alternative(payload["html"], "text/html")
    for file in payload.get("attachments", []):
        message.attach(file["filename"], base64.b64decode(file["content"]), file["content_type"])
    if "tags" in payload:
        message.tags = payload["tags"]
    if key not in NO_METADATA:
        message.metadata = {"attempt_id": attempt_id}
    assert backend.send_messages([message]) == 1
    return server.asked[-1]


KEYS = sorted(mail_services.ACCEPTANCES.keys() - {"postmark_email", "resend_email"})


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("payload", [{"subject": "Hi", "text": "Thank you."}, FULL], ids=["plain", "full"])
def test_a_service_is_asked_as_by_anymail_alone(server: AnsweringServer, key: str, payload: dict[str, Any]) -> None:
    if key == "mailtrap_email":
        # It answers with an id for each recipient, which anymail counts.
        payload = {name: value for name, value in payload.items() if name not in ("cc", "bcc")}
    accept(server, key)
    sent, attempt_id = ours(server, key, {"from_name": "Blue Bottle Café"}, payload)
    theirs = by_anymail(server, key, attempt_id, payload)
    if key == "mandrill_email":
        assert "Content-Type" not in theirs.headers, "what anymail leaves out, we say"
        theirs.headers["Content-Type"] = "application/json"
    assert_same(sent, theirs, headers=KEY_HEADERS.get(key, ()))
    assert len(server.asked) == 2


# --- Resend, beside the package resend ---

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def resend_sdk(server: AnsweringServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(resend, "api_url", server.base_url)
    monkeypatch.setattr(
        resend, "api_key", mail_services.conformance.secrets_of(registry.get("resend_email"))["api_key"]
    )
    monkeypatch.setattr(resend, "default_http_client", RequestsClient(timeout=5))
    return resend


def test_resend_is_asked_as_by_its_own_library(server: AnsweringServer, resend_sdk: Any) -> None:
    server.answer(200, {"id": "49a3999c-1"}, **JSON)
    sent, attempt_id = ours(server, "resend_email", {"from_name": "Blue Bottle"}, {**FULL, "tags": None})
    resend_sdk.Emails.send(
        {
            "from": f"Blue Bottle <{FROM}>",
            "to": [TO],
            "cc": FULL["cc"],
            "bcc": FULL["bcc"],
            "reply_to": [FULL["reply_to"]],
            "subject": FULL["subject"],
            "text": FULL["text"],
            "html": FULL["html"],
            "headers": FULL["headers"],
            "tags": [{"name": "attempt_id", "value": attempt_id}],
            "attachments": [
                {"filename": PDF["filename"], "content": PDF["content"], "content_type": PDF["content_type"]}
            ],
        },
        {"idempotency_key": attempt_id},
    )
    assert_same(sent, server.asked[-1], headers=["Idempotency-Key"])


def test_resends_domains_are_read_as_by_its_own_library(server: AnsweringServer, resend_sdk: Any) -> None:
    server.answer(200, {"data": []}, **JSON)
    assert registry.instance("resend_email").check(mail_services.mail(server, "resend_email")) is True
    resend_sdk.Domains.list()
    apart = {"content": "the library sends an empty object with a GET", "body": "as above"}
    assert_same(server.asked[0], server.asked[1], apart=apart)


# --- Postmark, beside the package postmarker ---


def postmarker(server: AnsweringServer) -> PostmarkClient:
    token = mail_services.conformance.secrets_of(registry.get("postmark_email"))["server_token"]
    client = PostmarkClient(server_token=token)
    client.session.mount("https://", Redirected(server))
    return client


def test_postmark_is_asked_as_by_its_library(server: AnsweringServer) -> None:
    accept(server, "postmark_email")
    payload = {**FULL, "cc": ["grace@example.com", "alan@example.com"]}
    sent, attempt_id = ours(server, "postmark_email", {"message_stream": "outbound"}, payload)
    postmarker(server).emails.send(
        From=FROM,
        To=TO,
        Cc=payload["cc"],
        Bcc=FULL["bcc"],
        ReplyTo=FULL["reply_to"],
        Subject=FULL["subject"],
        TextBody=FULL["text"],
        HtmlBody=FULL["html"],
        Headers=FULL["headers"],
        Tag="receipt",
        Metadata={"attempt_id": attempt_id},
        MessageStream="outbound",
        Attachments=[{"Name": PDF["filename"], "Content": PDF["content"], "ContentType": PDF["content_type"]}],
    )
    apart = {
        "body.Cc": "the library writes no space behind the comma",
        "body.TrackLinks": "null is what the library says for what it was not asked about",
        "body.TrackOpens": "as above",
    }
    assert_same(sent, server.asked[-1], headers=["X-Postmark-Server-Token", "Accept"], apart=apart)


def test_postmarks_templates_are_named_as_by_its_library(server: AnsweringServer) -> None:
    accept(server, "postmark_email")
    payload = {"text": None, "template_id": "welcome", "variables": {"name": "Ada"}}
    sent, attempt_id = ours(server, "postmark_email", {}, payload)
    postmarker(server).emails.send_with_template(
        TemplateId=None,
        TemplateAlias="welcome",
        TemplateModel={"name": "Ada"},
        From=FROM,
        To=TO,
        Metadata={"attempt_id": attempt_id},
    )
    theirs = server.asked[-1]
    apart = {name: "null is what the library says for what it was not given" for name in _nulls(theirs)}
    apart |= {name: "the library says Postmark's own default" for name in ("body.InlineCss", "body.TrackLinks")}
    assert_same(sent, theirs, headers=["X-Postmark-Server-Token"], apart=apart)


def test_postmarks_server_is_read_as_by_its_library(server: AnsweringServer) -> None:
    server.answer(200, {"ID": 1, "Name": "Production"})
    assert registry.instance("postmark_email").check(mail_services.mail(server, "postmark_email")) is True
    postmarker(server).server.get()
    assert_same(server.asked[0], server.asked[1], headers=["X-Postmark-Server-Token", "Accept"])


def _nulls(asked: Asked) -> list[str]:
    return [f"body.{name}" for name, value in asked.json().items() if value in (None, [], {})]
