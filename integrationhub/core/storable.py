"""What came from a provider, made fit for the database: PostgreSQL stores no NUL, no lone surrogate and no NaN."""

import math
from collections.abc import Mapping
from typing import Any

LONGEST_REFERENCE = 500
LONGEST_REASON = 80


def text(value: object, longest: int | None = None) -> str:
    """A provider's word as text that can be stored, cut to `longest` characters."""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()[:longest]


def json_value(value: Any) -> Any:
    """The same for a JSON value, at any depth; a number that JSON has no word for becomes null."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {text(name): json_value(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(member) for member in value]
    return value if value is None or isinstance(value, bool | int | float) else text(value)
