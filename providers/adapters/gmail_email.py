"""Gmail: sends as the account that a tenant has connected.

Send: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send
Errors: https://developers.google.com/workspace/gmail/api/guides/handle-errors
"""

import base64
from email import message_from_bytes
from email.errors import MessageError
from email.headerregistry import Address, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, composing
from providers.adapter import CONNECTION_ID, Adapter, Call, Receipt
from providers.composing import Attachment, Mail
from providers.errors import Next, ProviderError, Retry, Stop
from providers.retry_after import LONGEST_SECONDS

# https://support.google.com/mail/answer/6584
LARGEST_ATTACHMENTS = 25_000_000
# RFC 5322, section 2.1.1.
LONGEST_LINE = 998
# By the `reason` of an error's first item. A 403 can be any of them.
_REASONS: dict[str, dict[str, Any]] = {
    "rateLimitExceeded": {"kind": Retry},
    "userRateLimitExceeded": {"kind": Retry},
    "quotaExceeded": {"kind": Next},
    # The day's limit of the tenant's own application, whichever account sends.
    "dailyLimitExceeded": {"kind": Next, "retry_after": LONGEST_SECONDS},
    "failedPrecondition": {"kind": Next},  # The account has no mailbox: "Mail service not enabled".
    "invalidArgument": {"kind": Stop},  # "Invalid To header", "Recipient address required".
    "authError": {"kind": Next, "credential_refused": True},
    "insufficientPermissions": {"kind": Next, "credential_refused": True},
    "domainPolicy": {"kind": Next, "credential_refused": True},
    "accessNotConfigured": {"kind": Next},  # The API is not enabled for the tenant's application.
}


class GmailEmail(Adapter):
    key = "gmail_email"
    display_name = "Gmail"
    summary = "E-mail as a connected Google account."
    docs_url = "https://developers.google.com/workspace/gmail/api/guides/sending"
    base_url = "https://gmail.googleapis.com"
    intents = frozenset({"message.send.email"})
    connection_provider = "google"
    connection_scopes = frozenset(
        {
            "https://www.googleapis.com/auth/gmail.send",
            "https://www.googleapis.com/auth/gmail.compose",
            "https://www.googleapis.com/auth/gmail.modify",
            "https://mail.google.com/",
        }
    )
    config_schema = {
        "type": "object",
        "properties": {
            "connection_id": CONNECTION_ID,
            "from": composing.SENDER,
            "from_name": composing.SENDER_NAME,
        },
        "additionalProperties": False,
    }
    # The message is too large for the way it is sent; another provider may take it.
    status_classes = {413: Next}

    def preflight(self, call: Call) -> None:
        composing.refuse(call)

    def execute(self, call: Call) -> Receipt:
        mail = composing.read(call, self.http, provider=self.display_name, largest=LARGEST_ATTACHMENTS)
        raw = base64.urlsafe_b64encode(_written(mail)).decode()
        login = {"Authorization": f"Bearer {call.secrets['access_token']}", "Accept": "application/json"}
        answer = self.ask(call, "POST", "/gmail/v1/users/me/messages/send", headers=login, json={"raw": raw})
        said = answers.document(answer)
        if answer.status == HTTPStatus.OK and isinstance(said.get("id"), str) and said["id"]:
            thread = said.get("threadId")
            return Receipt(said["id"], {"thread_id": thread if isinstance(thread, str) else None})
        raise self._failure(call, answer)

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A reason counts in a refusal only: beside a 5xx it says nothing about whether Gmail acted."""
        error = answers.document(answer).get("error")
        error = error if isinstance(error, dict) else {}
        reason = _reason(error)
        known = _REASONS.get(reason, {}) if 400 <= answer.status < 500 else {}
        if known:
            known = {"reason": f"gmail_{answers.word(reason)}", "credential_refused": False, **known}
        return self.failure(call, answer, error.get("message"), **known)


def _reason(error: dict[str, Any]) -> str:
    items = error.get("errors")
    first = items[0] if isinstance(items, list) and items else None
    reason = first.get("reason") if isinstance(first, dict) else None
    return reason if isinstance(reason, str) else ""


class _Lines(EmailPolicy):
    """A header of ASCII that fits into one line stays on it: folding would encode long words, as the addresses in
    List-Unsubscribe are, so that nobody understood them."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        line = f"{name}: {value}"
        if isinstance(value, UnstructuredHeader) and line.isascii() and len(line) <= LONGEST_LINE:
            return f"{line}{self.linesep}".encode()
        return super().fold_binary(name, value)


# No relay on the way need take eight bits.
_POLICY = _Lines(linesep=SMTP.linesep, max_line_length=SMTP.max_line_length, cte_type="7bit", raise_on_defect=False)


def _written(mail: Mail) -> bytes:
    """The message as RFC 5322 has it. Raises Stop for an address or a text that none can hold."""
    message = EmailMessage(_POLICY)
    try:
        _write_head(message, mail)
        _write_body(message, mail)
        written = message.as_bytes()
    except (ValueError, MessageError, LookupError):
        raise _unwritable() from None
    # What is encoded in a header is decoded where it is set, and may hold line breaks then.
    meant = [part.keys() for part in message.walk()]
    if [part.keys() for part in message_from_bytes(written).walk()] != meant:
        raise _unwritable()
    return written


def _write_head(message: EmailMessage, mail: Mail) -> None:
    if mail.sender:
        message["From"] = _address(mail.sender, mail.sender_name)
    for name, addresses in (("To", mail.to), ("Cc", mail.cc), ("Bcc", mail.bcc)):
        if addresses:
            message[name] = [_address(address) for address in addresses]
    if mail.reply_to:
        message["Reply-To"] = _address(mail.reply_to)
    message["Subject"] = mail.subject
    message["Message-ID"] = mail.message_id
    for name, value in mail.headers.items():
        message[name] = value


def _write_body(message: EmailMessage, mail: Mail) -> None:
    if mail.text or not mail.html:
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
    else:
        message.set_content(mail.html, subtype="html")
    for attachment in mail.attachments:
        _attach(message, attachment)


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    kind, _, parameters = attachment.content_type.partition(";")
    maintype, _, subtype = kind.strip().lower().partition("/")
    if maintype in ("multipart", "message"):
        # What has parts may not be in base64 (RFC 2045, section 6.4).
        maintype, subtype, parameters = "application", "octet-stream", ""
    said = dict(item.strip().split("=", 1) for item in parameters.split(";") if "=" in item)
    message.add_attachment(
        attachment.content, maintype=maintype, subtype=subtype, filename=attachment.filename, params=said
    )


def _address(address: str, name: str = "") -> Address:
    return Address(name, addr_spec=address)


def _unwritable() -> Stop:
    return Stop("No message can hold this header or address; nothing was sent.", reason="unwritable_message")
