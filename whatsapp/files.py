"""A file on its way to a customer: fetched or given, judged by its kind, and uploaded to Meta.

A link is not passed on: Meta would fetch it later, and tell of a failure by a webhook alone.
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
"""

import mimetypes
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus
from urllib.parse import urlsplit

from integrationhub.core import catalogue
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.outbound import AddressBlocked, Answer, Client, OutboundError
from integrationhub.core.tenancy import let_go_of_connection
from providers.errors import Ambiguous, Blocked, Next
from providers.meta_graph import MetaGraph
from whatsapp.messages import File, Message

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """What Meta takes of one kind; `largest` in bytes. The first type is that of a file that does not say its own."""

    largest: int
    types: tuple[str, ...]


_OFFICE = "application/vnd.openxmlformats-officedocument"
RULES = {
    "image": Rule(5 * MIB, ("image/jpeg", "image/png")),
    "video": Rule(16 * MIB, ("video/mp4", "video/3gpp")),
    "audio": Rule(16 * MIB, ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg")),
    "sticker": Rule(500 * KIB, ("image/webp",)),
    "document": Rule(
        100 * MIB,
        (
            "application/pdf",
            "text/plain",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            f"{_OFFICE}.wordprocessingml.document",
            f"{_OFFICE}.spreadsheetml.sheet",
            f"{_OFFICE}.presentationml.presentation",
        ),
    ),
}
_client = cache(Client)  # One pool of connections for this process.


def brought(message: Message, graph: MetaGraph, deadline: Deadline) -> Message:
    """The message with the id of its file at Meta; a message without a file as it is. Nothing has been sent yet.

    Raises InvalidRequest for a file that Meta does not take of this kind, and a ProviderError, never Ambiguous, where
    it cannot be fetched or uploaded.
    """
    file = message.file
    if file is None:
        return message
    media_id = file.media_id or _uploaded(message, file, graph, deadline)
    beside = message.content if isinstance(message.content, dict) else {}
    return replace(message, content={"id": media_id, **beside})


def _uploaded(message: Message, file: File, graph: MetaGraph, deadline: Deadline) -> str:
    rule = RULES[message.kind]
    let_go_of_connection()
    if file.url:
        file = _fetched(file, rule, deadline)
    content_type = _type_of(file, message)
    if content_type not in rule.types:
        raise _unfit("content_type", "not_allowed", f"{message.kind} of {', '.join(rule.types)}")
    if len(file.content) > rule.largest:
        raise _unfit("content", "too_large", f"{message.kind} of at most {rule.largest} bytes")
    name = _name_of(file, message) or f"file{mimetypes.guess_extension(content_type) or ''}"
    try:
        return graph.upload(file.content, content_type, name, deadline)
    except Ambiguous as error:
        # What may have been uploaded reaches nobody: the message itself was not sent.
        raise Next(
            f"{error.message} The message was not sent.", reason=error.reason, entry=error.entry, **error.details
        ) from error


def _fetched(file: File, rule: Rule, deadline: Deadline) -> File:
    """The address may hold a secret, so that no text names it."""
    try:
        answer = _client().request("GET", file.url, deadline=deadline, max_bytes=rule.largest)
    except AddressBlocked as error:
        raise Blocked(_words(error.reason), reason="media_unavailable", entry=catalogue.WHATSAPP_UNAVAILABLE) from None
    except OutboundError as error:
        raise Next(_words(error.reason), reason="media_unavailable", entry=catalogue.WHATSAPP_UNAVAILABLE) from None
    if answer.status != HTTPStatus.OK:
        said = _words(f"HTTP {answer.status}")
        raise Next(said, reason="media_unavailable", entry=catalogue.WHATSAPP_UNAVAILABLE)
    return replace(file, content=answer.body, content_type=file.content_type or _told_type(answer))


def _words(why: str) -> str:
    return f"The file of the message could not be fetched ({why}); nothing was sent."


def _told_type(answer: Answer) -> str:
    told = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return "" if told == "application/octet-stream" else told


def _type_of(file: File, message: Message) -> str:
    """As it was said, else by the name."""
    said = file.content_type.partition(";")[0].strip().lower()
    return said or mimetypes.guess_type(_name_of(file, message))[0] or RULES[message.kind].types[0]


def _name_of(file: File, message: Message) -> str:
    given = message.content.get("filename") if isinstance(message.content, dict) else None
    return given or urlsplit(file.url).path.rpartition("/")[2][:255]


def _unfit(field: str, reason: str, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"WhatsApp does not take this file: it must be {expected}.",
        reason="invalid_fields",
        fields=[{"field": field, "reason": reason, "expected": expected}],
    )
