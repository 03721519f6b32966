"""How values look in JSON, and which of the two media types an answer has."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import UUID

from django.http import HttpRequest
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer

JSON = "application/json"
PROBLEM = "application/problem+json"


class AsGiven(dict[str, Any]):
    """A mapping inside an error's details whose keys are somebody's data: they are not renamed to camelCase."""


def moment(value: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-22T19:30:00.123Z`. Raises ValueError for a time without a zone."""
    if value.tzinfo is None:
        raise ValueError("A time without a zone cannot be represented.")
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON. Raises ValueError for NaN and infinities, TypeError for what has no representation."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, (UUID, Promise)):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no representation in JSON.")


class HubJSONRenderer(BaseRenderer):
    media_type = JSON
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else encode(data)


def is_acceptable(request: HttpRequest) -> bool:
    """Whether the `Accept` header leaves us a media type: JSON, and from v2 on the problem type alone too."""
    if not request.headers.get("Accept", "").strip():
        return True
    return request.accepts(JSON) or wants_problem(request)


def wants_problem(request: HttpRequest) -> bool:
    """Whether errors go out as RFC 9457 problems: `Accept` names that type, and the version is v2 or later."""
    if getattr(request, "hub_version", None) in (None, "v1"):
        return False
    named = (kind for kind in request.accepted_types if cast(Any, kind).match(PROBLEM))
    return any((kind.main_type, kind.sub_type) == ("application", "problem+json") for kind in cast(Any, named))
