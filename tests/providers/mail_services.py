"""What the e-mail services of django-anymail's family answer, and one call of each."""

from dataclasses import replace
from typing import Any

from providers import registry
from providers.adapter import Adapter, Call, Receipt
from tests.providers import conformance
from tests.providers.answering import AnsweringServer, call

TO = "ada@example.com"
FROM = "orders@example.com"
# By provider key: the status and the body with which the service accepts a message to `TO`, by its documentation.
ACCEPTANCES: dict[str, tuple[int, Any]] = {
    "mailgun_email": (200, {"id": "<20261126.1@mg.example.com>", "message": "Queued. Thank you."}),
    "postmark_email": (200, {"To": TO, "MessageID": "b7bc2f4a-1", "ErrorCode": 0, "Message": "OK"}),
    "resend_email": (200, {"id": "49a3999c-1"}),
    "brevo_email": (201, {"messageId": "<20261126.1@smtp-relay.mailin.fr>"}),
    "mailersend_email": (202, b""),
    "mailjet_email": (
        200,
        {"Messages": [{"Status": "success", "To": [{"Email": TO, "MessageUUID": "u-1", "MessageID": 456}]}]},
    ),
    "mailtrap_email": (200, {"success": True, "message_ids": ["0c7fd939-1"]}),
    "mandrill_email": (200, [{"email": TO, "status": "sent", "_id": "abc123", "reject_reason": None}]),
    "scaleway_email": (200, {"emails": [{"id": "s-1", "mail_rcpt": TO, "status": "new"}]}),
    "sparkpost_email": (
        200,
        {"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "11668787484950529"}},
    ),
    "unisender_go_email": (200, {"status": "success", "job_id": "1ZymBc-00041N-9X", "emails": [TO]}),
}
HEADERS = {"mailersend_email": {"X-Message-Id": "5e42957d51f1d94a1070a733", "Content-Type": "text/html"}}
REFERENCES = {
    "mailgun_email": "<20261126.1@mg.example.com>", "postmark_email": "b7bc2f4a-1", "resend_email": "49a3999c-1",
    "brevo_email": "<20261126.1@smtp-relay.mailin.fr>", "mailersend_email": "5e42957d51f1d94a1070a733",
    "mailjet_email": "456", "mailtrap_email": "0c7fd939-1", "mandrill_email": "abc123", "scaleway_email": "s-1",
    "sparkpost_email": "11668787484950529", "unisender_go_email": "1ZymBc-00041N-9X",
}  # fmt: skip


def adapter(key: str) -> type[Adapter]:
    return registry.get(key)


def accept(server: AnsweringServer, key: str) -> None:
    status, body = ACCEPTANCES[key]
    server.answer(status, body, **HEADERS.get(key, {}))


def mail(server: AnsweringServer, key: str, *, config: Any = None, **payload: Any) -> Call:
    """A call for one message; the payload's members override those of a usual one, None leaves one out."""
    given = {"to": [TO], "from": FROM, "subject": "Your receipt", "text": "Thank you, Ada.", **payload}
    sent = call("message.send.email", {name: value for name, value in given.items() if value is not None})
    secrets = conformance.secrets_of(adapter(key))
    return replace(sent, base_url=server.base_url, secrets=secrets, config=config or {})


def send(server: AnsweringServer, key: str, **given: Any) -> Receipt:
    return registry.instance(key).execute(mail(server, key, **given))
