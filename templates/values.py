"""One value, as Meta wants a parameter to be; or the reason why it cannot be one.

https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

LONGEST_BODY = 1024
LONGEST_URL = 2000
LONGEST_CODE, LONGEST_COUPON, LONGEST_OFFER_COUPON, LONGEST_PAYLOAD = 15, 20, 15, 128
# Meta refuses these in any text (132018): line ends, tabs, more than four spaces in a row.
_REFUSED = {"has_newline": re.compile(r"[\r\n]"), "has_tab": re.compile(r"\t"), "has_many_spaces": re.compile(r" {5}")}
_WORDS = "a text without line ends, tabs, or more than four spaces in a row"
# What an address may hold as it is; a `%` stays, so that a value that is encoded already is not encoded twice.
_IN_ADDRESSES: Final = "-._~:/?#[]@!$&'()*+,;=%"
# 2001 in milliseconds; a moment in seconds is below it.
_EARLIEST_MS = 10**12
_DOCUMENT = {"id", "link", "filename"}


class Unfit(Exception):
    """A value that cannot be sent: the lower_snake reason, and what would do."""

    def __init__(self, reason: str, expected: str, within: str = "") -> None:
        self.reason, self.expected, self.within = reason, expected, within
        super().__init__(reason)


def text(value: Any, longest: int | None = None) -> str:
    """Raises Unfit for what is no text, is empty, too long, or holds what Meta refuses."""
    if not isinstance(value, str):
        raise Unfit("not_a_text", _WORDS)
    if not value.strip():
        raise Unfit("empty", _WORDS)
    for reason, refused in _REFUSED.items():
        if refused.search(value):
            raise Unfit(reason, _WORDS)
    if longest and len(value) > longest:
        raise Unfit("too_long", f"at most {longest} characters")
    return value


def textual(value: Any) -> dict[str, Any]:
    """A text; or an amount or a moment, which Meta writes in the recipient's language, as `{"currency": {...}}` or
    `{"date_time": {...}}`."""
    if isinstance(value, Mapping) and len(value) == 1 and (kind := next(iter(value))) in ("currency", "date_time"):
        said = _members(value[kind], {"fallback_value", *(_MONEY if kind == "currency" else ())}, kind)
        for name, member in said.items():
            _NUMBERS[name](member, f"{kind}.{name}") if name in _NUMBERS else text(member)
        return {"type": kind, kind: said}
    return {"type": "text", "text": text(value)}


def shown(parameter: Mapping[str, Any]) -> str:
    """What stands in the text for a parameter of `textual`, as far as we know it."""
    value = parameter[parameter["type"]]
    return str(value["fallback_value"] if isinstance(value, Mapping) else value)


def media(kind: str, value: Any) -> dict[str, Any]:
    """`{"id"}` or `{"link"}`, of a document also `{"filename"}`."""
    expected = 'either {"id": "..."} or {"link": "https://..."}'
    if not isinstance(value, Mapping) or ("id" in value) == ("link" in value):
        raise Unfit("not_media", expected)
    if unknown := sorted(set(value) - (_DOCUMENT if kind == "document" else {"id", "link"})):
        raise Unfit("unexpected", expected, within=str(unknown[0]))
    for name, member in value.items():
        if not isinstance(member, str) or not member.strip():
            raise Unfit("empty", "a text", within=name)
    if "link" in value and not value["link"].startswith(("https://", "http://")):
        raise Unfit("not_a_link", "an address that begins with https://", within="link")
    return {"type": kind, kind: dict(value)}


def location(value: Any) -> dict[str, Any]:
    said = _members(value, {"latitude", "longitude"}, "", optional={"name", "address"})
    for name, most in (("latitude", 90), ("longitude", 180)):
        _number(said[name], name, most)
    for name in {"name", "address"} & set(said):
        text(said[name])
    return {"type": "location", "location": said}


def product(value: Any) -> dict[str, Any]:
    said = _members(value, {"catalog_id", "product_retailer_id"}, "")
    return {"type": "product", "product": {name: text(member) for name, member in said.items()}}


def suffix(value: Any, address: str) -> dict[str, Any]:
    """What is put in the place of an address's variable, its special characters percent-encoded."""
    ending = quote(text(value), safe=_IN_ADDRESSES)
    if len(address) + len(ending) > LONGEST_URL:
        raise Unfit("too_long", f"an address of at most {LONGEST_URL} characters with its value")
    return {"type": "text", "text": ending}


def otp(value: Any) -> dict[str, Any]:
    return {"type": "text", "text": text(value, LONGEST_CODE)}


def coupon(value: Any, *, is_offer: bool) -> dict[str, Any]:
    longest = LONGEST_OFFER_COUPON if is_offer else LONGEST_COUPON
    return {"type": "coupon_code", "coupon_code": text(value, longest)}


def payload(value: Any) -> dict[str, Any]:
    if not isinstance(value, str) or not value or len(value) > LONGEST_PAYLOAD:
        raise Unfit("not_a_payload", f"a text of at most {LONGEST_PAYLOAD} characters")
    return {"type": "payload", "payload": value}


def flow(value: Any) -> dict[str, Any]:
    """`{"flow_token"?, "flow_action_data"?}`; "unused" is Meta's own word for a token that nobody set."""
    said = _members({} if value is None else value, set(), "", optional={"flow_token", "flow_action_data"})
    return {"type": "action", "action": {"flow_token": "unused", **said}}


def catalog(value: Any) -> dict[str, Any]:
    said = _members(value, {"thumbnail_product_retailer_id"}, "")
    return {"type": "action", "action": {name: text(member) for name, member in said.items()}}


def products(value: Any) -> dict[str, Any]:
    said = _members(value, {"thumbnail_product_retailer_id", "sections"}, "")
    if not isinstance(said["sections"], list) or not said["sections"]:
        raise Unfit("empty", "a list of sections", within="sections")
    text(said["thumbnail_product_retailer_id"])
    return {"type": "action", "action": said}


def offer(value: Any) -> dict[str, Any]:
    """`{"expiration_time_ms"}`: milliseconds since 1970.
    https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates/limited-time-offer-templates
    """
    said = _members(value, {"expiration_time_ms"}, "")
    moment = said["expiration_time_ms"]
    if not isinstance(moment, int) or isinstance(moment, bool) or moment < _EARLIEST_MS:
        raise Unfit("not_milliseconds", "a whole number of milliseconds since 1970", within="expiration_time_ms")
    return {"type": "limited_time_offer", "limited_time_offer": said}


def _members(value: Any, needed: set[str], within: str, optional: set[str] | None = None) -> dict[str, Any]:
    known = needed | (optional or set())
    expected = f"an object of {', '.join(sorted(known))}"
    if not isinstance(value, Mapping):
        raise Unfit("not_an_object", expected, within=within)
    at_fault = [("missing", name) for name in sorted(needed - set(value))]
    at_fault += [("unexpected", str(name)) for name in value if name not in known]
    for reason, name in at_fault:
        raise Unfit(reason, expected, within=f"{within}.{name}".strip("."))
    return dict(value)


def _whole(value: Any, within: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit("not_a_number", "a whole number", within=within)


def _number(value: Any, within: str, most: int) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not -most <= value <= most:
        raise Unfit("not_a_number", f"a number from -{most} to {most}", within=within)


_MONEY = ("code", "amount_1000")
_NUMBERS: dict[str, Callable[[Any, str], None]] = {"amount_1000": _whole}
