"""What no schema says of an interactive message: titles that differ, rows that are few enough in all."""

from collections.abc import Iterator, Mapping
from typing import Any

from providers import schema_faults
from providers.schema_faults import Fault
from whatsapp import message_schemas

MOST_ROWS = 10
_any = schema_faults.compiled({**message_schemas.ANY_INTERACTIVE, "additionalProperties": True})
_by_type = {kind: schema_faults.compiled(schema) for kind, schema in message_schemas.INTERACTIVE.items()}


def faults(interactive: Any, *, at: str) -> list[Fault]:
    """Every member that Meta would refuse; `at` is where the message stands in the caller's body."""
    if found := schema_faults.faults(_any, interactive, at=at):
        return found
    if found := schema_faults.faults(_by_type[interactive["type"]], interactive, at=at):
        return found
    return list(_beyond_schema(interactive, at))


def _beyond_schema(interactive: Mapping[str, Any], at: str) -> Iterator[Fault]:
    action = interactive["action"]
    header = interactive.get("header")
    if header and header["type"] not in header:
        yield schema_faults.fault(f"{at}.header.{header['type']}", "required", "what the header's type names")
    if "buttons" in action:
        replies = [button["reply"] for button in action["buttons"]]
        yield from _repeated(replies, f"{at}.action.buttons[{{}}].reply")
    if "sections" in action:
        yield from _in_sections(action["sections"], f"{at}.action.sections")


def _in_sections(sections: list[Mapping[str, Any]], at: str) -> Iterator[Fault]:
    rows = [row for section in sections for row in section["rows"]]
    if len(rows) > MOST_ROWS:
        yield schema_faults.fault(at, "too_many", f"at most {MOST_ROWS} rows in all sections together")
    if len(sections) > 1:
        for index, section in enumerate(sections):
            if "title" not in section:
                yield schema_faults.fault(f"{at}[{index}].title", "required", "a title: there are several sections")
    if len({row["id"] for row in rows}) < len(rows):
        yield schema_faults.fault(at, "repeated", "rows with an id of their own each")


def _repeated(replies: list[Mapping[str, Any]], place: str) -> Iterator[Fault]:
    for name in ("id", "title"):
        seen: set[str] = set()
        for index, reply in enumerate(replies):
            if reply[name] in seen:
                yield schema_faults.fault(f"{place.format(index)}.{name}", "repeated", "a value of this button alone")
            seen.add(reply[name])
