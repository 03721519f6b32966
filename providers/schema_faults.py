"""JSON Schema (draft 2020-12) with every fault named at once, in words a caller can act on.

A fault is `{"field": "payload.to", "reason": "too_long", "expected": "at most 1600 characters"}`. It never repeats the
value, since the same code checks secrets.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

from integrationhub.core.ids import read_id
from integrationhub.core.moments import read_moment
from providers import phones

Fault = dict[str, str]


def fault(field: str, reason: str, expected: str) -> Fault:
    """One that no schema has a word for."""
    return {"field": field, "reason": reason, "expected": expected}


_EMAIL = re.compile(r"[^@\s<>(),;:\\\"\[\]]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#@\\]+(?:[/?#][^\s\\]*)?")

formats = FormatChecker(formats=())
formats.checks("e164")(lambda value: not isinstance(value, str) or phones.check(value) is None)
formats.checks("email")(lambda value: not isinstance(value, str) or _EMAIL.fullmatch(value) is not None)
formats.checks("uuid")(lambda value: not isinstance(value, str) or read_id(value) is not None)
formats.checks("date-time")(lambda value: not isinstance(value, str) or read_moment(value) is not None)
formats.checks("uri")(lambda value: not isinstance(value, str) or _WEB_ADDRESS.fullmatch(value) is not None)


def compiled(schema: Mapping[str, Any]) -> Draft202012Validator:
    """A validator to keep: building one costs more than using it."""
    return _Validator(schema, format_checker=formats)


def faults(validator: Draft202012Validator, value: Any, *, at: str = "") -> list[Fault]:
    """Every field at fault, once each, ordered as found; `at` is the path of the value itself, empty for a body's."""
    found: dict[str, Fault] = {}
    for error in validator.iter_errors(value):
        for fault in _explained(error, at):
            found.setdefault(fault["field"], {**fault, "field": fault["field"] or "body"})
    return list(found.values())


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """JSON Schema's patterns are ECMA's, where a final `$` is the end; Python's would let a newline follow it."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError("does not match")


def _content_encoding(_: Any, encoding: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if encoding != "base64" or not isinstance(value, str):
        return
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        yield ValidationError("not base64")


_Validator = validators.extend(Draft202012Validator, {"pattern": _pattern, "contentEncoding": _content_encoding})


def _explained(error: ValidationError, at: str) -> list[Fault]:
    # jsonschema leaves these unset only on errors that its own keywords did not make.
    keyword, wanted, schema = str(error.validator), cast(Any, error.validator_value), cast(Any, error.schema)
    field, value = _path(at, error.absolute_path), cast(Any, error.instance)
    if keyword == "required":
        missing = [name for name in wanted if name not in value]
        return [_fault(_path(field, [name]), "required", _described(schema, name)) for name in missing]
    if keyword == "additionalProperties" and wanted is False:
        known = schema.get("properties", {})
        expected = f"one of {', '.join(known)}" if known else "no members"
        unknown = [name for name in value if name not in known]
        return [_fault(_path(field, [_short(name)]), "unknown_member", expected) for name in unknown]
    if keyword in ("oneOf", "anyOf"):
        return [_alternatives(field, value, keyword, wanted)]
    if keyword in ("pattern", "format"):
        return [_wrong_form(field, schema)]
    reason, said = _REASONS.get(keyword, ("invalid", _counted(f"{keyword}: {{}}")))
    return [_fault(field, reason, said(wanted))]


def _path(at: str, parts: Iterable[str | int]) -> str:
    """`payload.to[0]`; the separator is left out where there is nothing before it."""
    return "".join([at, *(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)]).removeprefix(".")


def _wrong_form(field: str, schema: Mapping[str, Any]) -> Fault:
    reason = "invalid_phone" if schema.get("format") == "e164" else "wrong_form"
    form = f"text matching {schema['pattern']}" if "pattern" in schema else f"the form of {schema.get('format')}"
    return _fault(field, reason, schema.get("description") or form)


def _alternatives(field: str, value: Any, keyword: str, branches: list[Mapping[str, Any]]) -> Fault:
    """Alternatives in our schemas are sets of members, so the message lists those."""
    names = [" and ".join(branch.get("required", [])) for branch in branches]
    amount = "exactly one" if keyword == "oneOf" else "at least one"
    given = isinstance(value, dict) and any(name in value for name in names)
    return _fault(field, "too_many_alternatives" if given else "required", f"{amount} of {', '.join(names)}")


def _fault(field: str, reason: str, expected: str) -> Fault:
    return {"field": field, "reason": reason, "expected": expected}


def _described(schema: Mapping[str, Any], name: str) -> str:
    member = schema.get("properties", {}).get(name, {})
    return member.get("description") or _types(member.get("type", "any value"))


def _short(name: str) -> str:
    return name if len(name) <= 64 else f"{name[:64]}…"


def _types(value: str | list[str]) -> str:
    return " or ".join([value] if isinstance(value, str) else value)


def _counted(text: str) -> Callable[[Any], str]:
    return text.format


_REASONS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "type": ("wrong_type", _types),
    "enum": ("not_allowed", lambda values: f"one of {', '.join(map(str, values))}"),
    "const": ("not_allowed", lambda value: str(value)),
    "minLength": ("too_short", _counted("at least {} characters")),
    "maxLength": ("too_long", _counted("at most {} characters")),
    "minimum": ("too_small", _counted("{} or more")),
    "maximum": ("too_large", _counted("{} or less")),
    "minItems": ("too_few", _counted("at least {} items")),
    "maxItems": ("too_many", _counted("at most {} items")),
    "minProperties": ("too_few", _counted("at least {} members")),
    "maxProperties": ("too_many", _counted("at most {} members")),
    "uniqueItems": ("repeated", lambda _: "each item once"),
    "contentEncoding": ("not_base64", lambda _: "base64 (RFC 4648, with padding)"),
}
