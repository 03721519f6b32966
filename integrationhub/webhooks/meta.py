"""What Meta's webhooks hold: one body taken apart into the things that it tells, none of them lost.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
A body holds up to a thousand of them. Whatever has a shape that is not Meta's is told as it is, as `unreadable`.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

UNREADABLE = "unreadable"
# Ten times of what Meta puts into a body.
MOST_ITEMS = 10_000
# How much longer its things together may be than a body: each repeats what stands around it. Meta's grow threefold;
# without an end a few megabytes, signed by whoever has an app, would be thousands of them.
MOST_GROWTH, ALWAYS_ROOM = 8, 64 * 1024
MOST_DIGITS = 4000
LONGEST_TYPE, LONGEST_REFERENCE = 80, 255
# What each thing of a list is called, and in which lists a field has its things; another field is told as a whole.
LISTS = {"messages": "message", "statuses": "status", "errors": "error", "calls": "call"}
OF_FIELD = {"messages": ("messages", "statuses", "errors"), "calls": ("calls",)}
# Where in a list of contacts somebody stands, by each of their ids.
People = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing. `payload` is the body as it were if it told nothing else; `key` is what makes it this one thing;
    `told` what an adapter has read from it beside the rest."""

    type: str
    payload: str
    key: bytes
    reference: str = ""
    phone_number_id: str = ""
    waba_id: str = ""
    occurred_at: datetime | None = None
    told: Mapping[str, str] = field(default_factory=dict)


def taken_apart(body: bytes) -> list[Item]:
    """All things of a body, in its order. Raises nothing for what is in it."""
    items: list[Item] = []
    room = MOST_GROWTH * len(body) + ALWAYS_ROOM
    try:
        for item in _entries(json.loads(body, parse_int=_whole)):
            room -= len(item.payload)
            if room < 0 or len(items) == MOST_ITEMS:
                return [_whole_body(body)]
            items.append(item)
    except (ValueError, RecursionError):
        return [_whole_body(body)]
    return items or [_whole_body(body)]


def said_of(payload: str) -> tuple[str, dict[str, Any]]:
    """The field and the value of an item's payload."""
    change = json.loads(payload, parse_int=_whole)["entry"][0]["changes"][0]
    return change["field"], change["value"]


def number_of(payload: str) -> str:
    """Meta's id of the number that an item is told of; empty where it names none."""
    return _number(_value_of(payload))


def subject_of(payload: str) -> str:
    """Whom or what a thing is about: the customer who wrote, the message or the template whose state it tells."""
    value = _value_of(payload)
    one = next((first for name in LISTS if _is_object(first := _first(value.get(name)))), value)
    named = ("from", "from_user_id", "id", "message_template_id", "message_template_name")
    return next((text for name in named if (text := _text(one.get(name)))), "")


def _first(items: Any) -> Any:
    return items[0] if isinstance(items, list) and items else None


def _value_of(payload: str) -> Mapping[str, Any]:
    """Empty where an item is no more than a body that could not be read."""
    try:
        return said_of(payload)[1]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}


def _whole_body(body: bytes) -> Item:
    return Item(UNREADABLE, _storable(body.decode("utf-8", "replace")), _digest("body", body.hex()))


def _whole(digits: str) -> int | str:
    """Python reads no number so long that reading it takes long; nothing of Meta's is such a number."""
    return int(digits) if len(digits) < MOST_DIGITS else digits


def _entries(read: Any) -> Iterator[Item]:
    entries = read.get("entry") if isinstance(read, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        changes = entry.get("changes") if isinstance(entry, dict) else None
        if not isinstance(changes, list):
            yield _unreadable({"entry": [entry]})
            continue
        for change in changes:
            yield from _change(read.get("object"), entry, change)


def _change(thing: Any, entry: Mapping[str, Any], change: Any) -> Iterator[Item]:
    """What one change tells: each message and status by itself, another field as a whole."""
    around = {name: entry[name] for name in ("id", "time") if name in entry}
    alone = {"object": thing, "entry": [{**around, "changes": [change]}]}
    if not (
        isinstance(change, dict) and isinstance(field := change.get("field"), str) and _is_object(change.get("value"))
    ):
        yield _unreadable(alone)
        return
    value = change["value"]
    lists = [name for name in OF_FIELD.get(field, ()) if isinstance(value.get(name), list) and value[name]]
    if not lists:
        yield _of_field(field, alone, entry, value)
        return
    people = _people(value.get("contacts"))
    for name in lists:
        for one in value[name]:
            part = {"field": field, "value": {**_around(value, lists, people, one), name: [one]}}
            payload = {"object": thing, "entry": [{**around, "changes": [part]}]}
            yield _one_of(name, payload, entry, value, one) if _is_object(one) else _unreadable(payload)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _around(value: Mapping[str, Any], lists: Collection[str], people: People, one: Any) -> dict[str, Any]:
    """What a value holds beside its lists, and of the people the one whom this thing is about."""
    kept = {key: member for key, member in value.items() if key not in (*lists, "contacts")}
    contacts = value.get("contacts")
    if isinstance(contacts, list):
        places = {place for each in _named(one) for place in people.get(each, ())}
        kept["contacts"] = [contacts[place] for place in sorted(places)] or contacts[: len(contacts) == 1]
    return kept


def _people(contacts: Any) -> People:
    """By number, and by the id that stands for it: users with a name may have no number."""
    people: People = {}
    for place, who in enumerate(contacts if isinstance(contacts, list) else ()):
        for name in ("wa_id", "user_id") if _is_object(who) else ():
            if isinstance(who.get(name), str):
                people.setdefault(who[name], []).append(place)
    return people


def _named(one: Any) -> Iterator[str]:
    """Whom a thing is about, as its contact has it."""
    names = ("from", "from_user_id", "recipient_id", "recipient_user_id") if _is_object(one) else ()
    return (one[name].lstrip("+") for name in names if isinstance(one.get(name), str))


def _one_of(
    name: str, payload: Any, entry: Mapping[str, Any], value: Mapping[str, Any], one: Mapping[str, Any]
) -> Item:
    number = _number(value)
    reference, kind, text = _text(one.get("id")), LISTS[name], _written(payload)
    if not reference:
        key = _digest("whole", number, text)
    elif kind == "status":
        whom = _text(one.get("recipient_participant_user_id")) or _text(one.get("recipient_id"))
        key = _digest(kind, number, reference, _text(one.get("status")), whom)
    elif kind == "call":
        # It begins and ends under one id.
        key = _digest(kind, number, reference, _text(one.get("event")))
    else:
        key = _digest(kind, number, reference)
    return Item(
        kind,
        text,
        key,
        _storable(reference)[:LONGEST_REFERENCE],
        phone_number_id=number,
        waba_id=_text(entry.get("id")),
        occurred_at=_moment(one.get("timestamp")),
    )


def _of_field(field: str, alone: Any, entry: Mapping[str, Any], value: Mapping[str, Any]) -> Item:
    text, kind = _written(alone), _storable(field)[:LONGEST_TYPE]
    return Item(
        # Of what is called like one thing of a list, each is to be handled by itself.
        UNREADABLE if kind in ("", *LISTS.values()) else kind,
        text,
        _digest("whole", text),
        _storable(_text(value.get("message_template_id")))[:LONGEST_REFERENCE],
        phone_number_id=_number(value),
        waba_id=_text(entry.get("id")),
        occurred_at=_moment(entry.get("time")),
    )


def _number(value: Mapping[str, Any]) -> str:
    metadata = value.get("metadata")
    return _text(metadata.get("phone_number_id")) if isinstance(metadata, dict) else ""


def _unreadable(part: Any) -> Item:
    text = _written(part)
    return Item(UNREADABLE, text, _digest("whole", text))


def _written(value: Any) -> str:
    """JSON of ASCII alone, so that what PostgreSQL stores in no text (NUL, half a surrogate pair) is in it all the
    same; in one order, since Meta's differs."""
    return json.dumps(value, sort_keys=True)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _digest(*parts: str) -> bytes:
    """Each part with its length, so that no two lists of parts are written alike."""
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "replace")).digest()


def _moment(given: Any) -> datetime | None:
    """Epoch seconds, as a number or as text; milliseconds have been seen. None for what is no time."""
    text = _text(given)
    if not (text.isascii() and text.isdigit() and len(text) <= 13):
        return None
    seconds = int(text)
    return datetime.fromtimestamp(seconds / 1000 if seconds >= 10**12 else seconds, UTC)
