"""Secrets taken out of a text that somebody else wrote, in every spelling that they may have been repeated in."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from itertools import groupby
from traceback import format_exception
from typing import Any
from urllib.parse import quote, quote_plus

from integrationhub.core.logs import HIDDEN

# Of fewer letters, base64 is likely to be a part of some word.
_SHORTEST_BASE64 = 6
_LONGEST_TRACEBACK = 20_000
_URL_SAFE = str.maketrans("+/", "-_")


def without(text: str, secrets: Any, longest: int) -> str:
    """The first `longest` characters of a text, with each run of secrets in them replaced by one `[hidden]`.

    A secret that begins within them and ends behind them is hidden as well.
    """
    spellings = set(_spellings(secrets))
    text = text[: longest + max(map(len, spellings), default=0)]
    is_hidden = bytearray(len(text))
    for spelling in spellings:
        at = text.find(spelling)
        while at >= 0:
            is_hidden[at : at + len(spelling)] = b"\1" * len(spelling)
            at = text.find(spelling, at + 1)
    runs = groupby(zip(text[:longest], is_hidden, strict=False), key=lambda letter: letter[1])
    return "".join(HIDDEN if hidden else "".join(letter for letter, _ in run) for hidden, run in runs)


def traceback_without(error: BaseException, secrets: Any) -> str:
    """The traceback of an error for the log, with the secrets taken out of what it says."""
    return without("".join(format_exception(error)), secrets, _LONGEST_TRACEBACK)


def _spellings(secrets: Any) -> Iterator[str]:
    for value in _texts(secrets):
        content = value.encode("utf-8", "surrogatepass")
        yield from (value, quote(content, safe=""), quote_plus(content))
        for letters in _in_base64(content):
            yield from (letters, letters.translate(_URL_SAFE), quote(letters, safe=""))


def _in_base64(content: bytes) -> Iterator[str]:
    """What base64 makes of it wherever it stands in what is encoded, as the password does in a Basic login.

    Four letters stand for three bytes, so it can begin in three ways; letters that it shares with its neighbours are
    left out.
    """
    for before in range(3):
        encoded = b64encode(bytes(before) + content).decode()
        letters = encoded[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        if len(letters) >= _SHORTEST_BASE64:
            yield letters


def _texts(value: Any) -> Iterator[str]:
    """Every text inside the secrets, at any depth."""
    if isinstance(value, str):
        yield from [value] if value else []
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
