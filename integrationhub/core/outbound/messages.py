"""What a caller wants sent: URLs taken apart, headers that can be said, and bodies as bytes."""

import base64
import json as jsonlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from io import SEEK_END
from typing import IO, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from urllib3 import encode_multipart_formdata
from urllib3.filepost import choose_boundary

from integrationhub.core.outbound.dialling import Origin
from integrationhub.core.outbound.errors import NotSent

_encode = jsonlib.JSONEncoder(allow_nan=False).encode
_PIECE = 64 * 1024
_PORTS = {"http": 80, "https": 443}
# Python would quietly drop tabs and line ends, and some servers read a backslash as a slash.
_NEVER_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
METHOD = re.compile(r"[A-Z]{1,20}")
_HOST = re.compile(r"[a-z0-9_.-]{1,253}|[0-9a-f:.]+")
# They say where the message ends and where it goes: ours alone to set.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


class Target(NamedTuple):
    """A URL, taken apart: whom to dial, what the Host header says, and the path with its query."""

    origin: Origin
    host_header: str
    path: str


@lru_cache(maxsize=512)
def target(url: str) -> Target:
    """Raises NotSent (`invalid_url`) for another scheme, a user name, an IPv6 zone and what is no URL at all."""
    try:
        parts = urlsplit(url)
        # IDNA maps full-width digits and ideographic dots, so that what is dialled is what is judged.
        host = (parts.hostname or "").encode("idna").decode("ascii").lower()
        port = parts.port if parts.port is not None else _PORTS.get(parts.scheme, 0)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        path += f"?{_quoted_query(parts.query)}" if parts.query else ""
    except ValueError:
        # What it says may hold the whole URL, and some providers want a secret in theirs.
        raise NotSent("invalid_url") from None
    if _NEVER_IN_URL.search(url) or parts.scheme not in _PORTS or "@" in parts.netloc or not port:
        raise NotSent("invalid_url")
    if not _HOST.fullmatch(host):
        raise NotSent("invalid_url")
    shown = f"[{host}]" if ":" in host else host.rstrip(".")
    return Target(Origin(parts.scheme, host, port), shown if port == _PORTS[parts.scheme] else f"{shown}:{port}", path)


def headers(
    where: Target, asked: Mapping[str, str], content_type: str = "", auth: tuple[str, str] | None = None
) -> dict[str, str]:
    """What is asked for, which wins over the body's own type. Raises NotSent (`invalid_request`), or ValueError for a
    login that is no Unicode."""
    lines = {"host": ("Host", where.host_header)}
    if auth:
        lines["authorization"] = ("Authorization", f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}")
    if content_type:
        lines["content-type"] = ("Content-Type", content_type)
    for name, value in asked.items():
        if (lower := name.lower()) in _OURS or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise NotSent("invalid_request")
        lines[lower] = (name, value)
    return dict(lines.values())


def path(where: Target, params: Mapping[str, Any] | None) -> str:
    """The path with its query, and `params` behind that. Raises ValueError for what is no Unicode."""
    if not params:
        return where.path
    return f"{where.path}{'&' if '?' in where.path else '?'}{urlencode(params, doseq=True)}"


@dataclass(frozen=True, slots=True)
class Form:
    """A form whose one file is read while it is sent, from its beginning."""

    head: bytes
    file: IO[bytes] = field(repr=False)
    tail: bytes

    def __iter__(self) -> Iterator[bytes]:
        yield self.head
        self.file.seek(0)
        while piece := self.file.read(_PIECE):
            yield piece
        yield self.tail

    def __len__(self) -> int:
        return len(self.head) + self.file.seek(0, SEEK_END) + len(self.tail)


def length(body: "bytes | Form | None") -> dict[str, str]:
    """The header without which what has no length at a glance would be sent in chunks."""
    return {"Content-Length": str(len(body))} if isinstance(body, Form) else {}


def body(json: Any, data: Any, files: Any) -> tuple[str, bytes | Form] | None:
    """Content type and bytes of JSON, a form (a mapping), bytes or text, or files and a form together in
    multipart form. Raises ValueError, TypeError or RecursionError for what JSON or UTF-8 cannot say."""
    if json is not None:
        return "application/json", _encode(json).encode()
    if files and (opened := [name for name, file in files.items() if hasattr(file[1], "read")]):
        return _streamed(data or {}, opened, files)
    if files:
        content, content_type = encode_multipart_formdata([*_fields(data or {}), *_fields(files)])
        return content_type, content
    if data is None:
        return None
    if isinstance(data, Mapping):
        return "application/x-www-form-urlencoded", urlencode(data, doseq=True).encode()
    return "application/octet-stream", data.encode() if isinstance(data, str) else bytes(data)


def _streamed(data: Mapping[str, Any], opened: list[str], files: Mapping[str, Any]) -> tuple[str, Form]:
    """The form around one open file. Raises ValueError for several."""
    [name] = opened
    filename, file, type_ = files[name]
    boundary = choose_boundary()
    parts = [*_fields(data), (name, (filename, b"", type_))]
    around, content_type = encode_multipart_formdata(parts, boundary)
    tail = f"\r\n--{boundary}--\r\n".encode()
    return content_type, Form(around.removesuffix(tail), file, tail)


def _fields(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Each with its value, the items of a list one by one."""
    return [
        (name, value) for name, given in values.items() for value in (given if isinstance(given, list) else [given])
    ]


def _quoted_query(query: str) -> str:
    return quote(query, safe="/?%:@!$&'()*+,;=~[]")
