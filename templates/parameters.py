"""Do these values fit this template; and what is then sent to Meta."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from templates import slots, values
from templates.errors import InvalidTemplateParams
from templates.models import MessageTemplate
from templates.slots import Slot
from templates.values import Unfit

MISSING = object()
# By the kind of a slot, how its value becomes a parameter. Texts are apart, since they come in lists.
_KINDS: dict[str, Callable[[Slot, Any], dict[str, Any]]] = {
    "location": lambda _, value: values.location(value),
    "product": lambda _, value: values.product(value),
    "url": lambda slot, value: values.suffix(value, slot.text),
    "otp": lambda _, value: values.otp(value),
    "quick_reply": lambda _, value: values.payload(value),
    "flow": lambda _, value: values.flow(value),
    "catalog": lambda _, value: values.catalog(value),
    "mpm": lambda _, value: values.products(value),
    "offer": lambda _, value: values.offer(value),
    **{
        kind: lambda slot, value: values.media(slot.kind, value)
        for kind in slots.HEADER_KINDS
        if kind not in ("location", "product")
    },
}
_SUB_TYPES = {"otp": "url"}
_PLACES = {"header", "body", "buttons", "limited_time_offer"}


@dataclass(slots=True)
class _Checked:
    """What has been found so far: the faults, and the parameters by the card and the component they belong to."""

    is_offer: bool
    faults: list[dict[str, str]] = field(default_factory=list)
    components: dict[int | None, list[dict[str, Any]]] = field(default_factory=dict)

    def fault(self, where: str, reason: str, expected: str) -> None:
        self.faults.append({"field": where, "reason": reason, "expected": expected})

    def add(self, slot: Slot, parameters: list[dict[str, Any]]) -> None:
        component: dict[str, Any] = {"type": slot.place}
        if slot.index is not None:
            # The words of the list of components are plural, those of what is sent are not.
            component = {"type": "button", "sub_type": _SUB_TYPES.get(slot.kind, slot.kind), "index": str(slot.index)}
        self.components.setdefault(slot.card, []).append({**component, "parameters": parameters})


def required(template: MessageTemplate) -> list[Slot]:
    """Everything that the template takes, in its own order; what may be left out is told by `is_required`."""
    return slots.of_template(template.components, template.parameter_format)


def check(template: MessageTemplate, given: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The `components` to send with the template; empty where there is nothing to send.

    `given` is `{"header": [...], "body": [...] or {name: value}, "buttons": [{"index", "value"}], "cards": [...],
    "limited_time_offer": {...}}`; a card is the same again. Raises InvalidTemplateParams with every fault.
    """
    wanted, said = required(template), dict(given or {})
    checked = _Checked(is_offer=bool(slots.of_type(template.components, "limited_time_offer")))
    parts = {None: said, **_cards(said.pop("cards", None), slots.cards_of(template.components), checked)}
    for card, part in parts.items():
        _check_part(part, [slot for slot in wanted if slot.card == card], card, checked)
    if checked.faults:
        raise _unfit(template, checked.faults)
    components = checked.components.pop(None, [])
    if parts.keys() - {None}:
        cards = [
            {"card_index": card, "components": checked.components.get(card, [])} for card in parts if card is not None
        ]
        components.append({"type": "carousel", "cards": cards})
    return components


def _unfit(template: MessageTemplate, faults: list[dict[str, str]]) -> InvalidTemplateParams:
    names = ", ".join(fault["field"] for fault in faults[:5])
    return InvalidTemplateParams(
        f"The parameters do not fit '{template.name}' ({template.language}): see details.fields ({names}).",
        reason="invalid_fields",
        template=template.name,
        language=template.language,
        fields=faults[:100],
    )


def _cards(given: Any, cards: list[Any], checked: _Checked) -> dict[int | None, dict[str, Any]]:
    """What was given for each card of the template, by its position."""
    if given is None and not cards:
        return {}
    expected = f"a list of {len(cards)} cards" if cards else "nothing: the template has no cards"
    if not isinstance(given, list) or len(given) != len(cards):
        reason = "missing" if given is None else "wrong_count"
        checked.fault("template_params.cards", reason, expected)
        return {}
    for position, card in enumerate(given):
        if not isinstance(card, Mapping):
            checked.fault(f"template_params.cards.{position}", "not_an_object", "an object like template_params")
    return {position: dict(card) for position, card in enumerate(given) if isinstance(card, Mapping)}


def _check_part(part: dict[str, Any], wanted: list[Slot], card: int | None, checked: _Checked) -> None:
    within = "template_params" if card is None else f"template_params.cards.{card}"
    buttons = _buttons(part.get("buttons"), f"{within}.buttons", checked)
    for slot in wanted:
        try:
            _fill(slot, _given(slot, part, buttons), checked)
        except Unfit as fault:
            _note(fault, slot.field, checked)
    takes = {slot.place for slot in wanted} | {"buttons"}
    for name in [name for name in part if name not in takes and part[name]]:
        is_known = name in _PLACES
        expected = "nothing: the template has no variable there" if is_known else f"one of {', '.join(sorted(_PLACES))}"
        checked.fault(f"{within}.{name}", "unexpected", expected)
    for index in buttons.keys() - {slot.index for slot in wanted}:
        checked.fault(f"{within}.buttons.{index}", "unexpected", "nothing: this button takes no value")


def _given(slot: Slot, part: Mapping[str, Any], buttons: Mapping[Any, Any]) -> Any:
    """The value that is meant for a slot, or MISSING."""
    if slot.index is None:
        return part.get(slot.place, MISSING)
    if slot.kind == "otp" and slot.index not in buttons:
        return _code(part.get("body"))
    return buttons.get(slot.index, MISSING)


def _buttons(given: Any, where: str, checked: _Checked) -> dict[Any, Any]:
    """The value for each button by its index."""
    if given is None:
        return {}
    if not isinstance(given, list):
        checked.fault(where, "not_a_list", 'a list of {"index", "value"}')
        return {}
    found: dict[Any, Any] = {}
    for position, each in enumerate(given):
        index = _index(each)
        if index is None or set(each) - {"index", "value"} or "value" not in each:
            checked.fault(f"{where}.{position}", "not_a_button", '{"index": 0, "value": ...}, and nothing else')
        elif index in found:
            checked.fault(f"{where}.{position}", "given_twice", "one value for each button")
        else:
            found[index] = each["value"]
    return found


def _index(button: Any) -> int | None:
    """A button's position as a number; Meta itself writes it as a text too."""
    index = button.get("index") if isinstance(button, Mapping) else None
    if isinstance(index, str) and index.isascii() and index.isdecimal() and len(index) < 3:
        return int(index)
    return index if isinstance(index, int) and not isinstance(index, bool) else None


def _code(body: Any) -> Any:
    """The button of a one-time code has the same code as the body."""
    if isinstance(body, Mapping):
        body = list(body.values())
    return body[0] if isinstance(body, list) and body else MISSING


def _fill(slot: Slot, value: Any, checked: _Checked) -> None:
    if slot.kind == "text":
        _fill_text(slot, value, checked)
        return
    if slot.place == "header":
        value = _only(value)
    if value is MISSING:
        if slot.is_required or slot.kind == "otp":
            raise Unfit("missing", EXPECTED.get(slot.kind, "a value"))
        if slot.kind != "flow":
            return
        value = None
    if slot.kind == "copy_code":
        checked.add(slot, [values.coupon(value, is_offer=checked.is_offer)])
    else:
        checked.add(slot, [_KINDS[slot.kind](slot, value)])


def _only(value: Any) -> Any:
    """The one value of a header that takes no text."""
    if value is MISSING or value == []:
        return MISSING
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    raise Unfit("wrong_count", "a list of one value")


def _fill_text(slot: Slot, given: Any, checked: _Checked) -> None:
    filled, before = {}, len(checked.faults)
    for name, value in _by_name(slot, given, checked).items():
        try:
            parameter = values.textual(value)
            filled[name] = {**parameter, "parameter_name": name} if slot.is_named else parameter
        except Unfit as fault:
            _note(fault, f"{slot.field}.{name}", checked)
    if len(checked.faults) > before:
        return
    if slot.place == "body":
        _check_length(slot, [filled[name] for name in slot.names])
    checked.add(slot, [filled[name] for name in slot.names])


def _by_name(slot: Slot, given: Any, checked: _Checked) -> dict[str, Any]:
    """The given values by the names of the slot's placeholders; what lacks or is too much is noted."""
    if isinstance(given, list) and (not slot.is_named or len(slot.names) == 1):
        given = dict(zip([*slot.names, *_beyond(slot.names, len(given))], given, strict=False))
    elif given is MISSING:
        given = {}
    elif not isinstance(given, Mapping):
        kind = "an object of" if slot.is_named else "a list of values for"
        raise Unfit("not_by_name" if slot.is_named else "not_a_list", f"{kind} {', '.join(slot.names)}")
    for name in slot.names:
        if name not in given:
            checked.fault(f"{slot.field}.{name}", "missing", f"the value of {{{{{name}}}}}")
    for name in given:
        if name not in slot.names:
            checked.fault(f"{slot.field}.{name}", "unexpected", f"one of {', '.join(slot.names)}")
    return {name: given[name] for name in slot.names if name in given}


def _beyond(names: Sequence[str], given: int) -> list[str]:
    """What values after the last wanted one are called in a fault: by the number that they would have."""
    last = int(names[-1]) if names[-1].isdecimal() else len(names)
    return [str(last + more) for more in range(1, given - len(names) + 1)]


def _check_length(slot: Slot, parameters: Sequence[Mapping[str, Any]]) -> None:
    """Meta refuses a body that is too long with its values (132005)."""
    shown = dict(zip(slot.names, map(values.shown, parameters), strict=True))
    length = len(slots.PLACEHOLDER.sub(lambda found: shown[found[1]], slot.text))
    if length > values.LONGEST_BODY:
        raise Unfit("too_long", f"at most {values.LONGEST_BODY} characters with its values; these make {length}")


def _note(fault: Unfit, where: str, checked: _Checked) -> None:
    checked.fault(f"{where}.{fault.within}" if fault.within else where, fault.reason, fault.expected)


EXPECTED = {
    **dict.fromkeys(("image", "video", "document", "gif"), 'a list of one {"id": "..."} or {"link": "https://..."}'),
    "location": 'a list of one {"latitude", "longitude", "name"?, "address"?}',
    "product": 'a list of one {"catalog_id", "product_retailer_id"}',
    "url": "the end of the button's address",
    "otp": "the code",
    "copy_code": "the code to copy",
    "mpm": 'an object of "thumbnail_product_retailer_id" and "sections"',
    "offer": 'an object of "expiration_time_ms"',
}
