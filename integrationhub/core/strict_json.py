"""JSON as the hub takes it: RFC 8259 without what parsers disagree on, and within bounds.

Python's parser takes NaN, repeated keys, NUL characters and lone surrogates, and fails on deep nesting only when its
stack ends. PostgreSQL stores neither NUL nor surrogates, so they are refused here, by name and place.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from rest_framework.parsers import BaseParser

from integrationhub.core.errors import InvalidRequest

MAX_DEPTH = 32
MAX_VALUES = 20_000
MAX_STRING = 64 * 1024
# Members that may be longer: files in base64, the bodies of messages, what a SAML form brings. The schema of each, and
# the limit of the whole body, bound them.
LONG_MEMBERS = frozenset({"content", "html", "text", "SAMLResponse"})
_INT64 = 2**63

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.?[^"\\]*+)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)
# Only an escape can smuggle these in: the parser itself refuses a raw NUL, and UTF-8 has no surrogates.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})")
_SURROGATE = re.compile("[\ud800-\udfff]")


def loads(raw: bytes, *, max_depth: int = MAX_DEPTH, max_values: int = MAX_VALUES, max_string: int = MAX_STRING) -> Any:
    """The value that `raw` says. Raises InvalidRequest with `reason` and, where there is one, the place.

    Reasons: `bad_encoding`, `malformed_json`, `too_deep`, `duplicate_key`, `not_finite`, `number_too_large`,
    `nul_character`, `lone_surrogate`, `too_many_values`, `string_too_long` (in characters).
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal("The body is not UTF-8.", "bad_encoding", position=error.start) from error
    opened = raw.count(b"[") + raw.count(b"{")
    if opened > max_depth:
        _check_depth(text, max_depth)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _refusal(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            "malformed_json",
            position=error.pos,
        ) from error
    if opened + raw.count(b",") >= max_values or len(text) > max_string or _SUSPECT.search(raw):
        check_values(value, max_values, max_string)
    return value


def _check_depth(text: str, most: int) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth > most:
                raise _refusal(f"The body nests deeper than {most} levels.", "too_deep", position=token.start())
        elif token[0] in ("]", "}"):
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _refusal(f"The key '{_shown(twice)}' stands twice in one object.", "duplicate_key", field=_shown(twice))
    return found


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -_INT64 <= (value := int(digits)) < _INT64:
        raise _refusal("A whole number has more than 64 bits.", "number_too_large")
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _refusal("A number is too large to be represented.", "number_too_large")
    return value


def _constant(name: str) -> Any:
    raise _refusal(f"{name} is not a JSON value.", "not_finite")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)


def check_values(value: Any, max_values: int = MAX_VALUES, max_string: int = MAX_STRING) -> None:
    """Raise InvalidRequest for too many values, and for text that is too long or cannot be stored."""
    pending, count = [("", value)], 0
    while pending:
        path, item = pending.pop()
        count += 1
        if count > max_values:
            raise _refusal(f"The body holds more than {max_values} values.", "too_many_values")
        if isinstance(item, str):
            is_long = path.rpartition(".")[2] in LONG_MEMBERS
            _check_text(item, path, len(item) if is_long else max_string)
        elif isinstance(item, dict):
            for key, member in item.items():
                _check_text(key, f"{path}.{_shown(key)}".lstrip("."), max_string)
                pending.append((f"{path}.{key}".lstrip("."), member))
        elif isinstance(item, list):
            pending.extend((f"{path}.{index}".lstrip("."), member) for index, member in enumerate(item))


def _check_text(text: str, path: str, max_string: int) -> None:
    field = _shown(path) or "body"
    if len(text) > max_string:
        raise _refusal(f"'{field}' is longer than {max_string} characters.", "string_too_long", field=field)
    if "\0" in text:
        raise _refusal(f"'{field}' holds a NUL character.", "nul_character", field=field)
    if _SURROGATE.search(text):
        raise _refusal(f"'{field}' holds half of a surrogate pair.", "lone_surrogate", field=field)


def _shown(name: str) -> str:
    name = name[:200]
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _refusal(message: str, reason: str, **details: Any) -> InvalidRequest:
    return InvalidRequest(message, reason=reason, **details)


class StrictJSONParser(BaseParser):
    """`application/json` in UTF-8, whose top level is an object. A view may set `max_string`."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        view = (parser_context or {}).get("view")
        _check_charset(media_type or "")
        raw = stream.read()
        value = loads(raw, max_string=getattr(view, "max_string", MAX_STRING))
        if not isinstance(value, dict):
            raise _refusal("The body must be a JSON object.", "not_an_object", expected="an object")
        return value


def _check_charset(media_type: str) -> None:
    named = re.search(r";\s*charset\s*=\s*\"?([^\";\s]*)", media_type, re.IGNORECASE)
    if named and named[1].lower() not in ("utf-8", "utf8"):
        raise InvalidRequest(
            f"The charset '{_shown(named[1])[:40]}' is not accepted.", status=415, reason="charset", expected="utf-8"
        )
