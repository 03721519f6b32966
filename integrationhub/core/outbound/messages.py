"""What a caller wants sent, as the bytes of an HTTP/1.1 request (RFC 9112)."""

import base64
import json as jsonlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import requests

from integrationhub.core.outbound.dialling import Origin
from integrationhub.core.outbound.errors import NotSent

_encode = jsonlib.JSONEncoder(allow_nan=False).encode
_PORTS = {"http": 80, "https": 443}
# Python would quietly drop tabs and line ends, and some servers read a backslash as a slash.
_NEVER_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+: [^\x00-\x08\x0a-\x1f\x7f]*")
_METHOD = re.compile(r"[A-Z]{1,20}")
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
    except ValueError as error:
        raise NotSent("invalid_url") from error
    if _NEVER_IN_URL.search(url) or parts.scheme not in _PORTS or "@" in parts.netloc or not port:
        raise NotSent("invalid_url")
    if not _HOST.fullmatch(host):
        raise NotSent("invalid_url")
    shown = f"[{host}]" if ":" in host else host.rstrip(".")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{_quoted_query(parts.query)}" if parts.query else "")
    return Target(Origin(parts.scheme, host, port), shown if port == _PORTS[parts.scheme] else f"{shown}:{port}", path)


def request(
    method: str,
    where: Target,
    headers: Mapping[str, str],
    *,
    params: Mapping[str, Any] | None = None,
    auth: tuple[str, str] | None = None,
    body: tuple[str, bytes] | None = None,
) -> bytes:
    """Head and body. `headers` win over the body's own type. Raises NotSent (`invalid_request`)."""
    path = where.path
    if params:
        path += f"{'&' if '?' in path else '?'}{urlencode(params, doseq=True)}"
    content_type, content = body or ("", b"")
    lines = _header_lines(where, headers, content_type, auth)
    if content or method not in ("GET", "HEAD", "DELETE"):
        lines.append(f"Content-Length: {len(content)}")
    if not _METHOD.fullmatch(method) or not all(map(_HEADER.fullmatch, lines)):
        raise NotSent("invalid_request")
    try:
        return "\r\n".join((f"{method} {path} HTTP/1.1", *lines, "\r\n")).encode("latin-1") + content
    except UnicodeEncodeError as error:
        raise NotSent("invalid_request") from error


def _header_lines(
    where: Target, headers: Mapping[str, str], content_type: str, auth: tuple[str, str] | None
) -> list[str]:
    lines = {"host": f"Host: {where.host_header}"}
    if auth:
        lines["authorization"] = f"Authorization: Basic {base64.b64encode(':'.join(auth).encode()).decode()}"
    if content_type:
        lines["content-type"] = f"Content-Type: {content_type}"
    for name, value in headers.items():
        if (lower := name.lower()) in _OURS:
            raise NotSent("invalid_request")
        lines[lower] = f"{name}: {value}"
    return list(lines.values())


def body(json: Any, data: Any, files: Any) -> tuple[str, bytes] | None:
    """Content type and bytes of JSON, a form (a mapping), bytes or text, or files in multipart form as `requests`
    takes them. Raises NotSent (`invalid_request`) for what JSON cannot say."""
    if json is not None:
        try:
            return "application/json", _encode(json).encode()
        except (ValueError, TypeError) as error:
            raise NotSent("invalid_request") from error
    if files:
        return _multipart(data, files)
    if data is None:
        return None
    if isinstance(data, Mapping):
        return "application/x-www-form-urlencoded", urlencode(data, doseq=True).encode()
    return "application/octet-stream", data.encode() if isinstance(data, str) else bytes(data)


def _multipart(data: Any, files: Any) -> tuple[str, bytes]:
    prepared = requests.Request("POST", "http://unused.invalid", data=data, files=files).prepare()
    return prepared.headers["Content-Type"], bytes(prepared.body or b"")  # type: ignore[arg-type]


def _quoted_query(query: str) -> str:
    return quote(query, safe="/?%:@!$&'()*+,;=~[]")
