"""REST framework's validation errors in the words that the API uses for JSON Schema's too."""

from collections.abc import Callable, Iterator
from typing import Any

from rest_framework import serializers

# The framework's code -> our reason, and what is said of the field.
_WORDS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "invalid_choice": ("not_allowed", lambda field: f"one of {', '.join(map(str, field.choices))}"),
    "blank": ("too_short", lambda field: "at least 1 characters"),
    "empty": ("too_few", lambda field: "at least 1 items"),
    "max_length": ("too_long", lambda field: f"at most {field.max_length} characters"),
    "min_length": ("too_short", lambda field: f"at least {field.min_length} characters"),
    "max_string_length": ("too_long", lambda field: "a shorter text"),
    "max_value": ("too_large", lambda field: f"{field.max_value} or less"),
    "min_value": ("too_small", lambda field: f"{field.min_value} or more"),
    "null_characters_not_allowed": ("wrong_form", lambda field: "text without the character NUL"),
}
_WRONG_TYPE = frozenset({"invalid", "null", "not_a_list", "not_a_dict", "date", "datetime", "overflow", "make_aware"})
# The first class that fits decides, so subclasses stand before their base.
_FORMS: tuple[tuple[Any, str], ...] = (
    (serializers.DateTimeField, "a time, RFC 3339 with its zone"),
    (serializers.DateField, "a date, RFC 3339"),
    (serializers.UUIDField, "a UUID"),
)
_TYPES: tuple[tuple[Any, str], ...] = (
    (serializers.BooleanField, "boolean"),
    (serializers.IntegerField, "integer"),
    (serializers.FloatField, "number"),
    (serializers.CharField, "string"),
    ((serializers.ListField, serializers.ListSerializer), "array"),
    ((serializers.DictField, serializers.BaseSerializer), "object"),
)


def faults(detail: Any) -> list[dict[str, str]]:
    """Each message of a ValidationError's `detail` as `{"field": "items[0].to", "reason": "required", "expected"}`."""
    return list(_faults(detail, getattr(detail, "serializer", None), ""))


def _faults(detail: Any, field: Any, path: str) -> Iterator[dict[str, str]]:
    if isinstance(detail, dict):
        for key, value in detail.items():
            is_about_itself = key == "non_field_errors"
            yield from _faults(value, *((field, path) if is_about_itself else (_inside(field, key), _at(path, key))))
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            # A list of dicts is about the members of a list, a list of messages about the field itself.
            is_member = isinstance(value, (dict, list))
            yield from _faults(value, *((_inside(field, index), _at(path, index)) if is_member else (field, path)))
    else:
        reason, expected = _words(detail, field)
        yield {"field": path or "body", "reason": reason, "expected": expected}


def _inside(field: Any, key: str | int) -> Any:
    fields = getattr(field, "fields", None) or {}
    return fields.get(key) or getattr(field, "child", None)


def _at(path: str, key: str | int) -> str:
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".lstrip(".")


def _words(message: Any, field: Any) -> tuple[str, str]:
    code = getattr(message, "code", "invalid")
    form = next((said for kind, said in _FORMS if isinstance(field, kind)), None)
    kind = next((name for known, name in _TYPES if isinstance(field, known)), None)
    if code == "required":
        return "required", getattr(field, "help_text", None) or form or kind or "any value"
    if code in _WRONG_TYPE and form:
        return "wrong_form", form
    if code in _WRONG_TYPE and kind:
        return "wrong_type", kind
    if code in _WORDS and field is not None:
        reason, said = _WORDS[code]
        return reason, said(field)
    return str(code), str(message)
