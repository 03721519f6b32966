"""What a template wants to be given, read from its components: from their texts and addresses, never from `example`,
which Meta leaves out of real templates that have variables.

https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates/components
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
HEADER_KINDS = ("image", "video", "document", "gif", "location", "product")
# Buttons that take something, and whether they must be given it. What is not here takes nothing: phone numbers, voice
# calls, requests for permission or an address, and kinds that Meta adds.
BUTTON_KINDS = {"copy_code": True, "mpm": True, "flow": False, "quick_reply": False, "catalog": False}
# How Meta lists the button of a one-time code, once the template is made.
OTP_ADDRESS = "https://www.whatsapp.com/otp/"


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that a template takes. `index` is that of a button, `card` that of a carousel's card, both from 0."""

    place: str  # header, body, buttons or limited_time_offer
    kind: str  # text, one of HEADER_KINDS, url, otp, one of BUTTON_KINDS, or offer
    names: tuple[str, ...] = ()
    is_named: bool = False
    is_required: bool = True
    index: int | None = None
    card: int | None = None
    text: str = ""

    @property
    def field(self) -> str:
        """Where its value stands in what a caller gives."""
        within = "" if self.card is None else f"cards.{self.card}."
        return f"template_params.{within}{self.place}" + ("" if self.index is None else f".{self.index}")


def of_template(components: Any, parameter_format: str) -> list[Slot]:
    """Every slot, in the order of the components; of parts that are not as they should be, none."""
    return list(_slots(_mappings(components), parameter_format.upper() == "NAMED", card=None))


def names_in(text: str) -> tuple[str, ...]:
    """The distinct placeholders of a text: numbers in their order, names as they come."""
    found = dict.fromkeys(PLACEHOLDER.findall(text))
    if all(map(str.isdecimal, found)):
        return tuple(sorted(found, key=int))
    return tuple(found)


def of_type(components: Any, kind: str) -> Mapping[str, Any]:
    """The first component of a type, which Meta writes in either case; an empty one where there is none."""
    return next((each for each in _mappings(components) if _word(each, "type") == kind), {})


def buttons_of(components: Any) -> list[Mapping[str, Any]]:
    return _mappings(of_type(components, "buttons").get("buttons"))


def cards_of(components: Any) -> list[Mapping[str, Any]]:
    return _mappings(of_type(components, "carousel").get("cards"))


def text_of(component: Mapping[str, Any]) -> str:
    return _text(component, "text")


def _slots(components: list[Mapping[str, Any]], is_named: bool, card: int | None) -> Iterator[Slot]:
    yield from _header(of_type(components, "header"), is_named, card)
    yield from _texts("body", _body(components), is_named, card)
    offer = of_type(components, "limited_time_offer").get("limited_time_offer")
    if isinstance(offer, Mapping) and offer.get("has_expiration"):
        yield Slot("limited_time_offer", "offer", card=card)
    for index, button in enumerate(buttons_of(components)):
        yield from _button(button, index, card)
    if card is None:
        for position, each in enumerate(cards_of(components)):
            yield from _slots(_mappings(each.get("components")), is_named, position)


def _header(header: Mapping[str, Any], is_named: bool, card: int | None) -> Iterator[Slot]:
    kind = _word(header, "format")
    if kind in HEADER_KINDS:
        yield Slot("header", kind, card=card)
    elif header:
        yield from _texts("header", _text(header, "text"), is_named, card)


def _body(components: list[Mapping[str, Any]]) -> str:
    """Of a template for one-time codes, in the form in which it is made, Meta writes the text: with the code in it."""
    body = of_type(components, "body")
    if "text" not in body and any(_word(button, "type") == "otp" for button in buttons_of(components)):
        return "{{1}}"
    return _text(body, "text")


def _texts(place: str, text: str, is_named: bool, card: int | None) -> Iterator[Slot]:
    if names := names_in(text):
        named = is_named or not all(map(str.isdecimal, names))
        yield Slot(place, "text", names, is_named=named, card=card, text=text)


def _button(button: Mapping[str, Any], index: int, card: int | None) -> Iterator[Slot]:
    kind, address = _word(button, "type"), _text(button, "url")
    if kind == "otp" or (kind == "url" and address.startswith(OTP_ADDRESS) and PLACEHOLDER.search(address)):
        yield Slot("buttons", "otp", is_required=False, index=index, card=card)
    elif kind == "url" and (names := names_in(address)):
        yield Slot("buttons", "url", names, index=index, card=card, text=address)
    elif kind in BUTTON_KINDS:
        yield Slot("buttons", kind, is_required=BUTTON_KINDS[kind], index=index, card=card)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    # One that is no object keeps its place, since buttons and cards are told by their position.
    return [each if isinstance(each, Mapping) else {} for each in value] if isinstance(value, list) else []


def _word(component: Mapping[str, Any], name: str) -> str:
    return _text(component, name).lower()


def _text(component: Mapping[str, Any], name: str) -> str:
    value = component.get(name)
    return value if isinstance(value, str) else ""
