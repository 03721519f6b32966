"""The events, as docs/events.md and the OpenAPI document tell of them."""

from collections.abc import Iterator
from typing import Any

from integrationhub.webhooks.telling.kinds import KINDS, Kind

_TEXT = {"type": "string"}
# What Standard Webhooks sends with each.
_HEADERS = {
    "webhook-id": "The event's id: the same each time that it is sent.",
    "webhook-timestamp": "When this request was sent, in epoch seconds.",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; during a rotation two of them.",
}


# What is above it in docs/events.md is written by hand.
MARK = "<!-- From here on made of `kinds.py` by `manage.py write_docs`; a test keeps it current. -->"


def renewed(page: str) -> str:
    """docs/events.md with the list of now."""
    return "\n".join([page.partition(MARK)[0] + MARK, "", *_lines()]).rstrip() + "\n"


def _lines() -> Iterator[str]:
    thing = ""
    for name, kind in KINDS.items():
        if thing != (thing := name.partition(".")[0]):
            yield f"## `{thing}.*`\n"
        yield f"### `{name}`\n\n{kind.says}\n\n| member | what it is |\n|---|---|"
        for member, meaning in kind.data.items():
            required = member.rstrip("?")
            yield f"| `{required}` | {meaning}{' (sometimes left out)' if member != required else ''} |"
        yield ""


def add_webhooks(result: dict[str, Any], generator: Any, **_: Any) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook: OpenAPI 3.1 has a place for what a service sends of its own accord."""
    return {**result, "webhooks": {name: {"post": _operation(name, kind)} for name, kind in KINDS.items()}}


def _operation(name: str, kind: Kind) -> dict[str, Any]:
    return {
        "operationId": f"told_{name.replace('.', '_')}",
        "tags": ["webhooks"],
        "summary": kind.says,
        "security": [{}],
        "parameters": [
            {"name": header, "in": "header", "required": True, "schema": _TEXT, "description": says}
            for header, says in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _body(name, kind)}}},
        "responses": {
            "2XX": {"description": "It was received. Whatever else comes is a failure, and it is sent again."},
            "410": {"description": "It is wanted no more: the subscription is disabled."},
        },
    }


def _body(name: str, kind: Kind) -> dict[str, Any]:
    data = {
        "type": "object",
        "properties": {member.rstrip("?"): {"description": meaning} for member, meaning in kind.data.items()},
        "required": [member for member in kind.data if not member.endswith("?")],
    }
    return {
        "type": "object",
        "properties": {"type": {"const": name}, "timestamp": {**_TEXT, "format": "date-time"}, "data": data},
        "required": ["type", "timestamp", "data"],
    }
