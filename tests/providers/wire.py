"""What an adapter sends beside what the provider's own library sends for the same call.

Both were recorded by an `AnsweringServer`. A request is taken apart into spots, each a name and a value: `method`,
`path`, `query.page`, `authorization`, `header.x-api-key`, `content` (what the body is: json, form, multipart or another
media type), `body.to[0].email`.
"""

import base64
import json
import re
from collections.abc import Collection, Iterator, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter

from tests.providers.answering import AnsweringServer, Asked


def assert_same(
    ours: Asked, theirs: Asked, *, headers: Collection[str] = (), apart: Mapping[str, str] | None = None
) -> None:
    """Fails with one line for each spot that differs.

    `headers` are those compared beside `Authorization`, where a provider wants its key in one of its own. `apart` names
    spots that differ on purpose, each with the reason; `body.blocks` stands for all that is inside of it. One that does
    not differ is a failure too, so that none outlives its reason.
    """
    apart = apart or {}
    different = differences(spots(ours, headers), spots(theirs, headers))
    lines = [line for spot, line in different.items() if not any(_is_in(spot, name) for name in apart)]
    idle = [name for name in apart if not any(_is_in(spot, name) for spot in different)]
    assert lines == [], "\n".join(["The request is not the library's:", *lines])
    assert idle == [], f"These are said to differ, and do not: {', '.join(idle)}"


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, str]:
    """By spot, a line that says what each of the two has there."""
    names = [*ours, *(name for name in theirs if name not in ours)]
    lines = {name: (_shown(ours, name), _shown(theirs, name)) for name in names}
    return {name: f"{name}: ours {our}, theirs {their}" for name, (our, their) in lines.items() if our != their}


def spots(asked: Asked, headers: Collection[str] = ()) -> dict[str, Any]:
    url = urlsplit(asked.path)
    given = {name.lower(): value for name, value in asked.headers.items()}
    found = {"method": asked.method, "path": url.path, **_pairs("query", url.query)}
    found |= {"authorization": _login(given["authorization"])} if "authorization" in given else {}
    found |= {f"header.{name.lower()}": given[name.lower()] for name in headers if name.lower() in given}
    return found | _body(given.get("content-type", ""), asked.body)


class Redirected(HTTPAdapter):
    """For a library that stands on `requests` and knows but its own host:
    `session.mount("https://", Redirected(server))`."""

    def __init__(self, server: AnsweringServer) -> None:
        super().__init__()
        self.server = server

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        url = urlsplit(str(request.url))
        there = urlsplit(self.server.base_url)
        request.url = url._replace(scheme=there.scheme, netloc=there.netloc).geturl()
        return super().send(request, **{**options, "proxies": {}})


def _body(content_type: str, body: bytes) -> dict[str, Any]:
    kind = content_type.split(";")[0].strip().lower()
    if not body:
        return {}
    if re.fullmatch(r"application/([\w.-]+\+)?json|application/x-amz-json-1\.[01]", kind):
        return {"content": "json", **dict(_leaves("body", json.loads(body)))}
    if kind == "application/x-www-form-urlencoded":
        return {"content": "form", **_pairs("body", body.decode("ascii"))}
    if kind == "multipart/form-data":
        return {"content": "multipart", **_parts(content_type, body)}
    return {"content": kind or "untyped", "body": body}


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if value and isinstance(value, dict):
        for key in sorted(value):
            yield from _leaves(f"{name}.{key}", value[key])
    elif value and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(f"{name}[{index}]", item)
    else:
        yield name, value


def _pairs(name: str, text: str) -> dict[str, Any]:
    """A name that is given more than once has its values in order."""
    found: dict[str, Any] = {}
    for key, value in sorted(parse_qsl(text, keep_blank_values=True), key=lambda pair: pair[0]):
        found.setdefault(f"{name}.{key}", []).append(value)
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()}


def _parts(content_type: str, body: bytes) -> dict[str, Any]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found: dict[str, Any] = {}
    for part in message.iter_parts():
        name = f"body.{part.get_param('name', header='content-disposition')}"
        content = part.get_payload(decode=True)
        if part.get_filename() is not None:
            name, content = f"{name}({part.get_filename()})", (part.get("Content-Type", ""), content)
        found.setdefault(name, []).append(content)
    return {name: found[name] if len(found[name]) > 1 else found[name][0] for name in sorted(found)}


def _login(header: str) -> str:
    """With a Basic login read: two spellings of one would be hard to tell apart."""
    scheme, _, login = header.partition(" ")
    return f"Basic {base64.b64decode(login).decode()}" if scheme.lower() == "basic" else header


def _is_in(spot: str, name: str) -> bool:
    return spot == name or spot.startswith((f"{name}.", f"{name}["))


def _shown(found: Mapping[str, Any], name: str) -> str:
    """By what it prints as, 1 is not True and text is no number."""
    return repr(found[name]) if name in found else "nothing"
