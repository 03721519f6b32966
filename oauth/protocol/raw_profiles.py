"""A provider's own words about an account, as they may be kept and shown: without tokens, shallow, and no longer than
32 KiB as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from integrationhub.core.logs import redact
from providers import hiding

MAX_BYTES = 32 * 1024
_DEEPEST = 8


def kept(said: Mapping[str, Any], secrets: list[str]) -> dict[str, Any]:
    """Member by member, as long as there is room: one that does not fit is left out as a whole."""
    members, size = {}, 2
    for name, value in redact(_clean(dict(said), secrets, _DEEPEST)).items():
        size_with = size + len(json.dumps({name: value}))
        if size_with <= MAX_BYTES:
            members[name], size = value, size_with
    return members


def storable(text: str) -> str:
    """Without what PostgreSQL's JSON cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _clean(value: Any, secrets: list[str], depth: int) -> Any:
    if depth == 0 and isinstance(value, (dict, list)):
        return None
    if isinstance(value, dict):
        return {storable(name): _clean(each, secrets, depth - 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each, secrets, depth - 1) for each in value]
    return hiding.without(storable(value), secrets, MAX_BYTES) if isinstance(value, str) else value
