"""A file on its way to a customer: fetched or given, judged by its kind, and uploaded to Meta.

A link is not passed on: Meta would fetch it later, and tell of a failure by a webhook alone. What comes by link or form
is in memory by pieces only: it is read as it is sent.
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
"""

import mimetypes
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from io import SEEK_END
from tempfile import SpooledTemporaryFile
from typing import IO
from urllib.parse import urlsplit

from integrationhub.core import catalogue
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.outbound import AddressBlocked, Answer, Client, OutboundError
from integrationhub.core.tenancy import let_go_of_connection
from providers.errors import Ambiguous, Blocked, Next
from providers.meta_graph import MetaGraph
from whatsapp import file_rules
from whatsapp.file_rules import RULES, Fault
from whatsapp.messages import File, Message

# To fetch a file of 100 MB, and to bring it to Meta.
SECONDS = 50.0
# What is larger waits on disk.
IN_MEMORY = 1024 * 1024
# Faults of a link that pass by themselves, and those that do not. Of a refused connection nobody may tell whether it
# was to an address that is not dialled.
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
LASTING = ("refused", "tls", "invalid_url", "invalid_request")
_client = cache(Client)  # One pool of connections for this process.


def brought(message: Message, graph: MetaGraph, deadline: Deadline) -> Message:
    """The message with the id of its file at Meta; a message without a file as it is. Nothing has been sent yet.

    Raises InvalidRequest for a file that Meta does not take of this kind, and a ProviderError, never Ambiguous, where
    it cannot be fetched or uploaded.
    """
    file = message.file
    if file is None:
        return message
    if file.media_id:
        return _with_id(message, file, file.media_id)
    let_go_of_connection()
    with SpooledTemporaryFile(max_size=IN_MEMORY) as fetched:
        given = _fetched(file, fetched, deadline) if file.content is None else file
        return _with_id(message, file, _uploaded(given, graph, deadline))


def _with_id(message: Message, file: File, media_id: str) -> Message:
    content = message.content
    assert isinstance(content, Mapping)  # noqa: S101  No other has a file.
    if message.kind == file.kind:
        return replace(message, content={"id": media_id, **content})
    header = content["header"]
    beside = {name: value for name, value in header[file.kind].items() if name != "link"}
    return replace(message, content={**content, "header": {**header, file.kind: {"id": media_id, **beside}}})


def _uploaded(file: File, graph: MetaGraph, deadline: Deadline) -> str:
    kind, content = file.kind, file.content
    assert content is not None  # noqa: S101  `brought` has fetched what had none.
    size, head = content.seek(0, SEEK_END), _head(content)
    content_type = _type_of(file, head)
    if fault := file_rules.fault(kind, content_type, size, head):
        raise _unfit(file, fault)
    name = file.name or _name_in(file.url) or f"file{mimetypes.guess_extension(content_type) or ''}"
    try:
        return graph.upload(content, content_type, name, deadline)
    except Ambiguous as error:
        # What may have been uploaded reaches nobody: the message itself was not sent.
        raise Next(
            f"{error.message} The message was not sent.", reason=error.reason, entry=error.entry, **error.details
        ) from error


def _fetched(file: File, into: IO[bytes], deadline: Deadline) -> File:
    """The address may hold a secret, so that no text names it."""
    largest = RULES[file.kind].largest
    try:
        answer = _client().request("GET", file.url, deadline=deadline, max_bytes=largest, into=into.write)
    except AddressBlocked as error:
        raise _unavailable(Blocked, error.reason, is_lasting=True) from None
    except OutboundError as error:
        if error.reason == "answer_too_large":
            expected = f"a file of at most {largest} bytes, which is what WhatsApp takes of this type"
            raise _unfit(file, Fault("content", "too_large", expected)) from None
        raise _unavailable(Next, error.reason, is_lasting=error.reason in LASTING) from None
    if answer.status != HTTPStatus.OK:
        is_lasting = answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in PASSING
        raise _unavailable(Next, f"http_{answer.status}", is_lasting=is_lasting)
    return replace(file, content=into, content_type=file.content_type or _told_type(answer))


def _unavailable(kind: type[Next], cause: str, *, is_lasting: bool) -> Next:
    return kind(
        f"The file of the message could not be fetched ({cause}); nothing was sent.",
        reason="media_unavailable",
        entry=catalogue.WHATSAPP_UNAVAILABLE,
        retryable=not is_lasting,
        cause=cause,
    )


def _told_type(answer: Answer) -> str:
    told = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return "" if told == "application/octet-stream" else told


def _head(content: IO[bytes]) -> bytes:
    content.seek(0)
    return content.read(file_rules.HEAD)


def _type_of(file: File, head: bytes) -> str:
    """As it was said, else by the name, else by how it begins."""
    said = file.content_type.partition(";")[0].strip().lower()
    named = mimetypes.guess_type(file.name or _name_in(file.url))[0]
    return said or named or file_rules.type_by_content(file.kind, head) or RULES[file.kind].types[0]


def _name_in(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2][:255]


def _unfit(file: File, fault: Fault) -> InvalidRequest:
    """The type that is wrong was said beside a file, but by the server of a link."""
    field = file.field if fault.part == "content" or file.url else "content_type"
    return InvalidRequest(
        f"WhatsApp does not take this file as a message of type {file.kind}: {field} must be {fault.expected}.",
        reason="invalid_fields",
        fields=[{"field": field, "reason": fault.reason, "expected": fault.expected}],
    )
