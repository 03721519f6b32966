"""How a template looks to whoever receives it."""

from collections.abc import Mapping, Sequence
from typing import Any

from templates import slots
from templates import values as known
from templates.models import MessageTemplate


def render(template: MessageTemplate, sent: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Header, body, footer, buttons and cards as they are shown; `sent` is what `parameters.check` returned.

    A placeholder without a value is shown by Meta's sample, where the template has one, else as it is written.
    """
    return _rendered(template.components, sent)


def _rendered(components: Any, sent: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    header, body = slots.of_type(components, "header"), slots.of_type(components, "body")
    shown = {
        "header": _header(header, sent) if header else None,
        "body": _filled(slots.text_of(body), _values("body", slots.text_of(body), body, sent)),
        "footer": slots.text_of(slots.of_type(components, "footer")),
        "buttons": [_button(each, index, sent) for index, each in enumerate(slots.buttons_of(components))],
    }
    if cards := slots.cards_of(components):
        told = {card["card_index"]: card["components"] for each in sent for card in each.get("cards", ())}
        shown["cards"] = [_rendered(card.get("components"), told.get(at, ())) for at, card in enumerate(cards)]
    return shown


def _header(header: Mapping[str, Any], sent: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    text = slots.text_of(header)
    kind = str(header.get("format") or "text").lower()
    return {"format": kind, "text": _filled(text, _values("header", text, header, sent)) if kind == "text" else ""}


def _button(button: Mapping[str, Any], index: int, sent: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    shown = {"type": str(button.get("type") or "").lower(), "text": slots.text_of(button)}
    if isinstance(address := button.get("url"), str):
        given = [each["parameters"][0]["text"] for each in sent if each.get("index") == str(index)]
        shown["url"] = _filled(address, dict.fromkeys(slots.names_in(address), given[0]) if given else {})
    return shown


def _values(
    place: str, text: str, component: Mapping[str, Any], sent: Sequence[Mapping[str, Any]]
) -> Mapping[str, str]:
    """By the names of the placeholders of a text: what was sent, else Meta's samples."""
    names = slots.names_in(text)
    given = next((each["parameters"] for each in sent if each["type"] == place), None)
    if given is not None:
        return dict(zip(names, map(known.shown, given), strict=False))
    return _samples(place, names, component.get("example"))


def _samples(place: str, names: Sequence[str], example: Any) -> Mapping[str, str]:
    if not isinstance(example, Mapping):
        return {}
    named = example.get(f"{place}_text_named_params")
    if isinstance(named, list):
        found = {each.get("param_name"): each.get("example") for each in named if isinstance(each, Mapping)}
    else:
        listed = example.get(f"{place}_text")
        # Of a body they are a list of lists.
        listed = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], list) else listed
        found = dict(zip(names, listed if isinstance(listed, list) else [], strict=False))
    return {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, str)}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return slots.PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)
