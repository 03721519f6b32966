"""Microsoft 365 and Outlook.com: sends as the account that a tenant has connected, through Microsoft Graph.

Send: https://learn.microsoft.com/graph/api/user-sendmail
Errors: https://learn.microsoft.com/graph/errors, and Exchange's own codes:
https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode
"""

import base64
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, composing
from providers.adapter import CONNECTION_ID, Adapter, Call, Receipt
from providers.composing import Attachment, Mail
from providers.errors import Next, ProviderError, Retry, Stop

# A file below 3 MB, and a request of 4 MB with its base64: https://learn.microsoft.com/graph/outlook-large-attachments
LARGEST_ATTACHMENTS = 2_900_000
# "Maximum number of headers in one message should be less than or equal to 5", each named "x-...":
# https://learn.microsoft.com/graph/api/resources/message
MOST_HEADERS = 5
# A limit of one mailbox leaves the others of the same tenant alone: none of them names a pause.
_CODES: dict[str, dict[str, Any]] = {
    "ApplicationThrottled": {"kind": Retry},
    "ErrorServerBusy": {"kind": Retry},
    "InvalidAuthenticationToken": {"kind": Next, "credential_refused": True},
    "ErrorAccessDenied": {"kind": Next, "credential_refused": True},
    "ErrorSendAsDenied": {"kind": Next},  # The account may not send as `from`.
    "ErrorExceededMessageLimit": {"kind": Next},  # The mailbox has sent all that it may for now.
    "ErrorMessageSubmissionBlocked": {"kind": Next},  # The mailbox was blocked for what it sent before.
    "ErrorQuotaExceeded": {"kind": Next},  # The mailbox is full.
    "ErrorMessageSizeExceeded": {"kind": Next},
    "ErrorAccountDisabled": {"kind": Next},
    "ErrorNonExistentMailbox": {"kind": Next},
    "MailboxNotEnabledForRESTAPI": {"kind": Next},  # The account has no mailbox that Graph reaches.
    "MailboxNotSupportedForRESTAPI": {"kind": Next},
    "ErrorInvalidRecipients": {"kind": Stop},
}


class MicrosoftEmail(Adapter):
    key = "microsoft_email"
    display_name = "Microsoft 365 mail"
    summary = "E-mail as a connected Microsoft account."
    docs_url = "https://learn.microsoft.com/graph/api/user-sendmail"
    base_url = "https://graph.microsoft.com"
    intents = frozenset({"message.send.email"})
    connection_provider = "microsoft"
    connection_scopes = frozenset({"Mail.Send", "https://graph.microsoft.com/Mail.Send"})
    config_schema = {
        "type": "object",
        "properties": {
            "connection_id": CONNECTION_ID,
            "from": composing.SENDER,
            "from_name": composing.SENDER_NAME,
            "save_to_sent_items": {
                "type": "boolean",
                "default": True,
                "description": "whether the account keeps a copy among its sent items",
            },
        },
        "additionalProperties": False,
    }
    # No mailbox; more than one request may hold; "throttled for exceeding the maximum bandwidth cap".
    status_classes = {404: Next, 413: Next, 509: Retry}

    def preflight(self, call: Call) -> None:
        composing.refuse(call)

    def execute(self, call: Call) -> Receipt:
        mail = composing.read(call, self.http, provider=self.display_name, largest=LARGEST_ATTACHMENTS)
        body: dict[str, Any] = {"message": _message(mail)}
        if not call.config.get("save_to_sent_items", True):
            body["saveToSentItems"] = False
        headers = {"Authorization": f"Bearer {call.secrets['access_token']}", "client-request-id": str(call.attempt_id)}
        answer = self.ask(call, "POST", "/v1.0/me/sendMail", headers=headers, json=body)
        if answer.status == HTTPStatus.ACCEPTED:
            # There is no body: what names the message is the request, and the Message-ID that it was given.
            return Receipt(_request_id(answer) or str(call.attempt_id), {"message_id": mail.message_id})
        raise self._failure(call, answer)

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A code counts in a refusal only: beside a 5xx it says nothing about whether Microsoft acted."""
        error = answers.document(answer).get("error")
        error = error if isinstance(error, dict) else {}
        code, words = error.get("code"), error.get("message")
        known = _CODES.get(code, {}) if isinstance(code, str) and 400 <= answer.status < 500 else {}
        if known:
            known = {"reason": f"microsoft_{answers.word(code)}", "credential_refused": False, **known}
        said = ": ".join(word for word in (code, words) if isinstance(word, str) and word)
        if said and (request_id := _request_id(answer)):
            said = f"{said} (request-id {request_id})"
        return self.failure(call, answer, said, **known)


def _request_id(answer: Answer) -> str:
    return answer.headers.get("request-id") or answer.headers.get("client-request-id") or ""


def _message(mail: Mail) -> dict[str, Any]:
    """Of text and HTML the HTML: a message of Graph's has one body, of which Exchange makes the other.

    Raises Next for headers that Graph takes none of.
    """
    message: dict[str, Any] = {
        "subject": mail.subject,
        "body": {"contentType": "HTML" if mail.html else "Text", "content": mail.html or mail.text},
        "internetMessageId": mail.message_id,
        "toRecipients": [_recipient(address) for address in mail.to],
        "ccRecipients": [_recipient(address) for address in mail.cc],
        "bccRecipients": [_recipient(address) for address in mail.bcc],
        "attachments": [_attachment(attachment) for attachment in mail.attachments],
        "internetMessageHeaders": _headers(mail),
    }
    if mail.reply_to:
        message["replyTo"] = [_recipient(mail.reply_to)]
    if mail.sender:
        message["from"] = _recipient(mail.sender, mail.sender_name)
    return {name: value for name, value in message.items() if value != []}


def _recipient(address: str, name: str = "") -> dict[str, Any]:
    return {"emailAddress": {"address": address, **({"name": name} if name else {})}}


def _attachment(attachment: Attachment) -> dict[str, str]:
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": attachment.filename,
        "contentType": attachment.content_type,
        "contentBytes": base64.b64encode(attachment.content).decode(),
    }


def _headers(mail: Mail) -> list[dict[str, str]]:
    if len(mail.headers) > MOST_HEADERS or not all(name.lower().startswith("x-") for name in mail.headers):
        words = f"Microsoft takes at most {MOST_HEADERS} headers, and such as begin with x-; nothing was sent."
        raise Next(words, reason="headers_unsupported")
    return [{"name": name, "value": value} for name, value in mail.headers.items()]
