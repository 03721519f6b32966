"""The bytes that a payload of storage gives: in base64, by an address, or as a file that a form brought."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO

from integrationhub.core.outbound import AddressBlocked, Client, OutboundError
from providers.adapter import LARGEST_TOLD, Call
from providers.errors import Blocked, Next, Stop

MIB = 1024 * 1024
# Of what an answer in JSON can hold, and of what is fetched for one call.
LARGEST = LARGEST_TOLD
# What is larger waits on disk.
IN_MEMORY = MIB
_WORDS = "The content could not be fetched ({}); nothing was sent."


@contextmanager
def opened(call: Call, http: Client) -> Iterator[tuple[IO[bytes], str]]:
    """The content as an open file, and its media type as far as it is known.

    Raises, before anything has been sent, Next or Stop where an address does not give it.
    """
    told = call.payload.get("content_type", "")
    if call.file:
        yield call.file, told
        return
    with SpooledTemporaryFile(max_size=IN_MEMORY) as content:
        if "content" in call.payload:
            content.write(base64.b64decode(call.payload["content"]))
        else:
            told = told or _fetched(call, http, content)
        content.seek(0)
        yield content, told


@contextmanager
def room(call: Call) -> Iterator[IO[bytes]]:
    """An empty file for what is read: the caller's own, where it gave one."""
    if call.file:
        call.file.seek(0)
        call.file.truncate()
        yield call.file
        return
    with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        yield file


def in_base64(file: IO[bytes]) -> str:
    file.seek(0)
    return base64.b64encode(file.read()).decode()


def _fetched(call: Call, http: Client, into: IO[bytes]) -> str:
    """Returns the type that its server told. The address may hold a secret, so that no text names it."""
    try:
        answer = http.request("GET", call.payload["url"], deadline=call.deadline, max_bytes=LARGEST, into=into.write)
    except AddressBlocked as error:
        raise Blocked(_WORDS.format(error.reason), reason="content_unavailable") from None
    except OutboundError as error:
        if error.reason == "answer_too_large":
            words = f"The content of payload.url is longer than {LARGEST:,} bytes; nothing was sent."
            raise Stop(words, reason="content_too_large") from None
        raise Next(_WORDS.format(error.reason), reason="content_unavailable") from None
    if answer.status != HTTPStatus.OK:
        raise Next(_WORDS.format(f"HTTP {answer.status}"), reason="content_unavailable")
    return answer.headers.get("Content-Type", "")
