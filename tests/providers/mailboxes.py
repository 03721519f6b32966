"""Gmail and Microsoft Graph on loopback, as strict about what they are asked as the carriers are."""

import base64
import json
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import uuid4

from integrationhub.core.deadline import Deadline
from providers import registry
from providers.adapter import Call, Receipt
from tests.providers.carriers import Asked, CarrierServer, Misasked, Told

TOKEN = "ya29.a0-the-token-of-a-connected-account"


class GmailServer(CarrierServer):
    """https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send"""

    key = "gmail_email"
    credentials = {"access_token": TOKEN}
    config: dict[str, str] = {}

    def examine(self, asked: Asked) -> None:
        _expect((asked.method, asked.path) == ("POST", "/gmail/v1/users/me/messages/send"), "no POST to messages/send")
        _expect(asked.headers.get("authorization", "").startswith("Bearer "), "no bearer token")
        _expect(asked.headers.get("content-type") == "application/json", "not application/json")
        body = json.loads(asked.body)
        _expect(body.keys() == {"raw"}, f"members: {sorted(body)}")
        _expect(re.fullmatch("[A-Za-z0-9_-]+={0,2}", body["raw"]) is not None, "raw is not base64url")
        message = message_in(asked)
        _expect(message.defects == [], f"defects: {message.defects}")
        _expect(all(len(line) <= 998 for line in written_in(asked).split(b"\r\n")), "a line is too long")
        _expect(written_in(asked).isascii(), "eight bits")
        recipients = [message[name] for name in ("To", "Cc", "Bcc") if message[name]]
        _expect(bool(recipients), "Recipient address required")

    def acceptance(self, asked: Asked) -> Told:
        if asked.headers["authorization"] != f"Bearer {self.credentials['access_token']}":
            return gmail_error(401, "authError", "Invalid Credentials", status="UNAUTHENTICATED")
        said = {"id": f"18c{self.hits:013x}", "threadId": f"18c{self.hits:013x}", "labelIds": ["SENT"]}
        return Told(200, said, text=str(message_in(asked)["Subject"]))

    def refusal(self, fault: str) -> Told:
        return gmail_error(400, "invalidArgument", fault)


class GraphServer(CarrierServer):
    """https://learn.microsoft.com/graph/api/user-sendmail"""

    key = "microsoft_email"
    credentials = {"access_token": TOKEN}
    config: dict[str, str] = {}
    members = frozenset(
        {
            *("subject", "body", "internetMessageId", "toRecipients", "ccRecipients", "bccRecipients", "replyTo"),
            *("from", "attachments", "internetMessageHeaders"),
        }
    )

    def examine(self, asked: Asked) -> None:
        _expect((asked.method, asked.path) == ("POST", "/v1.0/me/sendMail"), "no POST to /v1.0/me/sendMail")
        _expect(asked.headers.get("authorization", "").startswith("Bearer "), "no bearer token")
        _expect(asked.headers.get("content-type") == "application/json", "not application/json")
        _expect(len(asked.body) <= 4 * 1024 * 1024, "the request is larger than 4 MB")
        body = json.loads(asked.body)
        _expect(body.keys() <= {"message", "saveToSentItems"}, f"members: {sorted(body)}")
        message = body["message"]
        _expect(message.keys() <= self.members, f"members: {sorted(message)}")
        _expect(message["body"]["contentType"] in ("Text", "HTML"), "contentType")
        for name in ("toRecipients", "ccRecipients", "bccRecipients", "replyTo"):
            _expect(all("@" in each["emailAddress"]["address"] for each in message.get(name, [])), name)
        for file in message.get("attachments", []):
            _expect(file["@odata.type"] == "#microsoft.graph.fileAttachment", "no fileAttachment")
            base64.b64decode(file["contentBytes"], validate=True)
        headers = message.get("internetMessageHeaders", [])
        _expect(len(headers) <= 5 and all(each["name"].lower().startswith("x-") for each in headers), "headers")

    def acceptance(self, asked: Asked) -> Told:
        if asked.headers["authorization"] != f"Bearer {self.credentials['access_token']}":
            return graph_error(401, "InvalidAuthenticationToken", "Access token is empty or has expired.")
        headers = {"request-id": f"00000000-0000-0000-0000-{self.hits:012x}", "Content-Type": "text/plain"}
        return Told(202, b"", headers, text=json.loads(asked.body)["message"]["subject"])

    def refusal(self, fault: str) -> Told:
        return graph_error(400, "ErrorInvalidRequest", fault)


def gmail_error(code: int, reason: str, message: str, status: str = "", **headers: str) -> Told:
    """https://developers.google.com/workspace/gmail/api/guides/handle-errors"""
    item = {"message": message, "domain": "global", "reason": reason}
    return Told(code, {"error": {"code": code, "message": message, "errors": [item], "status": status}}, headers)


def graph_error(status: int, code: str, message: str, **headers: str) -> Told:
    """https://learn.microsoft.com/graph/errors"""
    inner = {"date": "2026-11-25T10:00:00", "request-id": "req-1", "client-request-id": "req-1"}
    body = {"error": {"code": code, "message": message, "innerError": inner}}
    return Told(status, body, {"request-id": "req-1", **headers})


def written_in(asked: Asked) -> bytes:
    return base64.urlsafe_b64decode(json.loads(asked.body)["raw"])


def message_in(asked: Asked) -> EmailMessage:
    """The message that Gmail was given, read by the standard library's parser."""
    message: Any = message_from_bytes(written_in(asked), policy=default)
    return message


def attached_in(asked: Asked) -> list[bytes]:
    """The bytes of each attachment, as either of the two was given them."""
    body = json.loads(asked.body)
    if "raw" in body:
        return [bytes(part.get_payload(decode=True)) for part in message_in(asked).iter_attachments()]
    return [base64.b64decode(file["contentBytes"]) for file in body["message"].get("attachments", [])]


def mail_to(mailbox: CarrierServer, *, config: Any = None, attempt_id: Any = None, **payload: Any) -> Call:
    """A call for one message; the payload's members override those of a usual one."""
    given = {"to": ["ada@example.com"], "subject": "Your receipt", "text": "Thank you, Ada.", **payload}
    return Call(
        uuid4(),
        "message.send.email",
        {name: value for name, value in given.items() if value is not None},
        Deadline.after(5),
        config=config or {},
        base_url=mailbox.base_url,
        secrets={"access_token": TOKEN},
        attempt_id=attempt_id or uuid4(),
    )


def send_mail(mailbox: CarrierServer, **given: Any) -> Receipt:
    return registry.instance(mailbox.key).execute(mail_to(mailbox, **given))


def _expect(holds: bool, fault: str) -> None:
    if not holds:
        raise Misasked(fault)
