"""Requests as they come to the Graph server."""

import json
import re
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came. `path` is without version and query."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        return json.loads(self.body)


def read(handler: BaseHTTPRequestHandler) -> tuple[Asked, str]:
    """The request, and the version of the API that it names."""
    url = urlsplit(handler.path)
    version, path = "", url.path
    if match := re.fullmatch(r"/(v[0-9]+\.[0-9]+)(/.*)", url.path):
        version, path = match.groups()
    query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    headers = {name.lower(): value for name, value in handler.headers.items()}
    body = handler.rfile.read(int(headers.get("content-length") or 0))
    return Asked(handler.command, path, query, headers, body), version


def form(asked: Asked) -> dict[str, tuple[bytes, str, str]]:
    """Content, type and file name of each part of a multipart body; empty for any other."""
    head = f"Content-Type: {asked.headers.get('content-type', '')}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + asked.body)
    parts = message.iter_parts() if message.is_multipart() else []
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_payload(decode=True),  # type: ignore[dict-item]
            part.get_content_type(),
            part.get_filename() or "",
        )
        for part in parts
    }
