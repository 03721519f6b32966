"""An e-mail as an adapter hands it on: what payload and installation say, checked, with the bytes of its attachments.

No text that becomes a header may hold a line break, and no header of the caller's may be one that the message has of
its own: that is how one message becomes two, or goes to people whom nobody named.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.outbound import AddressBlocked, Client, OutboundError
from providers import senders
from providers.adapter import Call, JSONObject
from providers.errors import Blocked, Next, Stop

Fault = dict[str, str]

_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_LIST_MEMBERS = ("to", "cc", "bcc")
_LINE_MEMBERS = ("subject", "reply_to", "from")
_OWN_HEADERS = frozenset(
    {
        *("from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version"),
        *("return-path", "received", "dkim-signature"),
    }
)
_OWN_PREFIXES = ("content-", "resent-")
SENDER: JSONObject = {
    "type": "string",
    "format": "email",
    "maxLength": 254,
    "description": "the sender where payload.from names none: an address that the account may send as",
    "examples": ["orders@example.com"],
}
SENDER_NAME: JSONObject = {
    "type": "string",
    "minLength": 1,
    "maxLength": 100,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$",
    "description": "the name shown beside the sender's address, in one line",
    "examples": ["Blue Bottle Café"],
}


@dataclass(frozen=True, slots=True)
class Attachment:
    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """`sender` is empty where neither payload nor installation names one: then the account sends as itself. `text`,
    `html` or both are set, unless there is a template. `message_id` is made of the attempt's id, in angle brackets."""

    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    sender: str
    sender_name: str
    reply_to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    message_id: str
    attachments: tuple[Attachment, ...]
    tags: tuple[str, ...] = ()
    template_id: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)


def refuse(call: Call) -> None:
    """For an adapter's `preflight`. Raises InvalidRequest naming each member that no message can hold."""
    if faults := list(_faults(call.payload)):
        names = ", ".join(fault["field"] for fault in faults[:5])
        raise InvalidRequest(
            f"The message cannot be written: see details.fields ({names}).", reason="invalid_fields", fields=faults
        )


def read(call: Call, http: Client, *, provider: str, largest: int, has_templates: bool = False) -> Mail:
    """The message of a call, its attachments fetched; `largest` is how many bytes of them the provider takes, and
    `has_templates` whether it keeps templates that a message may name.

    Nothing has been sent where it raises. Next: the provider has no templates, or an attachment is too large or cannot
    be fetched. Stop: what `refuse` refuses, in a call that came here without a preflight.
    """
    payload = call.payload
    if faults := list(_faults(payload)):
        names = ", ".join(fault["field"] for fault in faults[:5])
        raise Stop(f"The message cannot be written: {names}. Nothing was sent.", reason="unwritable_message")
    if "template_id" in payload and not has_templates:
        raise Next(f"{provider} has no templates; nothing was sent.", reason="templates_unsupported")
    to, cc, bcc = (tuple(payload.get(name, ())) for name in _LIST_MEMBERS)
    return Mail(
        to=to,
        cc=cc,
        bcc=bcc,
        sender=senders.chosen(call),
        sender_name=call.config.get("from_name", ""),
        reply_to=payload.get("reply_to", ""),
        subject=payload["subject"],
        text=payload.get("text", ""),
        html=payload.get("html", ""),
        headers=payload.get("headers", {}),
        # The domain is one that nobody has (RFC 6761): the id is the hub's, not the sender's.
        message_id=f"<{call.attempt_id}@integration-hub.invalid>",
        attachments=tuple(_attachments(call, http, provider, largest)),
        tags=tuple(payload.get("tags", ())),
        template_id=payload.get("template_id", ""),
        variables=payload.get("variables", {}),
    )


def _faults(payload: JSONObject) -> Iterator[Fault]:
    lines = {f"payload.{name}": payload[name] for name in _LINE_MEMBERS if name in payload}
    for name in _LIST_MEMBERS:
        lines |= {f"payload.{name}[{at}]": value for at, value in enumerate(payload.get(name, ()))}
    for at, file in enumerate(payload.get("attachments", ())):
        lines[f"payload.attachments[{at}].filename"] = file["filename"]
        lines[f"payload.attachments[{at}].content_type"] = file.get("content_type", "")
    headers = payload.get("headers", {})
    lines |= {f"payload.headers.{name}": value for name, value in headers.items()}
    for where, value in lines.items():
        if not _LINE.fullmatch(value):
            yield {"field": where, "reason": "wrong_form", "expected": "one line of text, without control characters"}
    for name in headers:
        if name.lower() in _OWN_HEADERS or name.lower().startswith(_OWN_PREFIXES):
            expected = "a header that the message has not of its own"
            yield {"field": f"payload.headers.{name}", "reason": "not_allowed", "expected": expected}


def _attachments(call: Call, http: Client, provider: str, largest: int) -> Iterator[Attachment]:
    room = largest
    for given in call.payload.get("attachments", ()):
        content = base64.b64decode(given["content"]) if "content" in given else _fetched(call, http, given["url"], room)
        room -= len(content)
        if room < 0:
            raise _too_large(provider, largest)
        yield Attachment(given["filename"], given.get("content_type") or "application/octet-stream", content)


def _fetched(call: Call, http: Client, url: str, room: int) -> bytes:
    """The address may hold a secret, so that no text names it."""
    words = "An attachment could not be fetched ({}); nothing was sent."
    try:
        answer = http.request("GET", url, deadline=call.deadline, max_bytes=room)
    except AddressBlocked as error:
        raise Blocked(words.format(error.reason), reason="attachment_unavailable") from None
    except OutboundError as error:
        raise Next(words.format(error.reason), reason="attachment_unavailable") from None
    if answer.status != HTTPStatus.OK:
        raise Next(words.format(f"HTTP {answer.status}"), reason="attachment_unavailable")
    return answer.body


def _too_large(provider: str, largest: int) -> Next:
    words = f"{provider} takes attachments of {largest:,} bytes together; nothing was sent."
    return Next(words, reason="message_too_large")
