"""What Meta would refuse is refused here, with every fault named at once."""

from copy import deepcopy
from typing import Any

import pytest

from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from tests.whatsapp.talking import CUSTOMER, Talk
from tests.whatsapp.test_sending import ASK, BUTTONS, CTA, FLOW, LIST

TO = {"to": CUSTOMER}
ROW = {"id": "1", "title": "one"}


def button(number: int, **over: str) -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": f"id{number}", "title": f"Title {number}", **over}}


def with_buttons(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {**BUTTONS, "action": {"buttons": list(buttons)}}


def with_sections(*sections: dict[str, Any]) -> dict[str, Any]:
    return {**LIST, "action": {"button": "Times", "sections": list(sections)}}


def rows(first: int, count: int) -> list[dict[str, Any]]:
    return [{"id": str(number), "title": "a row"} for number in range(first, first + count)]


def changed(message: dict[str, Any], *path: str | int, to: Any) -> dict[str, Any]:
    found = changed_ = deepcopy(message)
    for name in path[:-1]:
        found = found[name]  # type: ignore[index]
    found[path[-1]] = to  # type: ignore[index]
    return changed_


BEYOND: dict[str, tuple[dict[str, Any], str]] = {
    "four buttons": (with_buttons(*(button(each) for each in range(4))), "interactive.action.buttons"),
    "no button": (with_buttons(), "interactive.action.buttons"),
    "a long title": (with_buttons(button(1, title="x" * 21)), "interactive.action.buttons[0].reply.title"),
    "a long id": (with_buttons(button(1, id="x" * 257)), "interactive.action.buttons[0].reply.id"),
    "one title twice": (
        with_buttons(button(1, title="Yes"), button(2, title="Yes")),
        "interactive.action.buttons[1].reply.title",
    ),
    "one id twice": (with_buttons(button(1, id="a"), button(2, id="a")), "interactive.action.buttons[1].reply.id"),
    "a long body": (changed(BUTTONS, "body", "text", to="x" * 1025), "interactive.body.text"),
    "a long footer": ({**BUTTONS, "footer": {"text": "x" * 61}}, "interactive.footer.text"),
    "a long header": ({**BUTTONS, "header": {"type": "text", "text": "x" * 61}}, "interactive.header.text"),
    "a header without its picture": ({**BUTTONS, "header": {"type": "image"}}, "interactive.header.image"),
    "a picture over a list": (
        {**LIST, "header": {"type": "image", "image": {"id": "1"}}},
        "interactive.header.type",
    ),
    "eleven rows": (
        with_sections({"title": "a", "rows": rows(0, 6)}, {"title": "b", "rows": rows(6, 5)}),
        "interactive.action.sections",
    ),
    "eleven sections": (
        with_sections(*({"title": "a", "rows": rows(each, 1)} for each in range(11))),
        "interactive.action.sections",
    ),
    "two sections, one without a title": (
        with_sections({"title": "a", "rows": rows(0, 1)}, {"rows": rows(1, 1)}),
        "interactive.action.sections[1].title",
    ),
    "one row id twice": (with_sections({"rows": [ROW, ROW]}), "interactive.action.sections"),
    "a long row": (
        with_sections({"rows": [{**ROW, "title": "x" * 25}]}),
        "interactive.action.sections[0].rows[0].title",
    ),
    "a long description": (
        with_sections({"rows": [{**ROW, "description": "x" * 73}]}),
        "interactive.action.sections[0].rows[0].description",
    ),
    "a long label of the list": (changed(LIST, "action", "button", to="x" * 21), "interactive.action.button"),
    "a link that is none": (
        changed(CTA, "action", "parameters", "url", to="shop"),
        "interactive.action.parameters.url",
    ),
    "a flow without a name": (
        changed(FLOW, "action", "parameters", to={"flow_message_version": "3", "flow_cta": "Book"}),
        "interactive.action.parameters",
    ),
    "a header over a question for a place": ({**ASK, "header": {"type": "text", "text": "x"}}, "interactive.header"),
    "a kind that is not known": ({**ASK, "type": "BUTTON"}, "interactive.type"),
}


def faults(answer: Any) -> dict[str, str]:
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "invalid_fields"), answer.content
    return {fault["field"]: fault["reason"] for fault in answer.json()["details"]["fields"]}


@pytest.mark.parametrize("name", BEYOND)
def test_an_interactive_message_beyond_metas_limits_is_refused_where_it_is_wrong(
    talk: Talk, meta: GraphServer, name: str
) -> None:
    message, where = BEYOND[name]
    assert where in faults(talk.send({**TO, "type": "interactive", "interactive": message}))
    assert meta.asked == []


@pytest.mark.parametrize("name", ["four buttons", "one title twice", "a kind that is not known"])
def test_an_execution_is_refused_for_the_same(talk: Talk, meta: GraphServer, name: str) -> None:
    message, where = BEYOND[name]
    numbers.install(talk.api)
    assert f"payload.{where}" in faults(numbers.execute(talk.api, {**TO, "interactive": message}))
    assert meta.asked == []


OTHERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a long text": ({"type": "text", "text": {"body": "x" * 4097}}, {"text.body"}),
    "an empty text": ({"type": "text", "text": {"body": ""}}, {"text.body"}),
    "a place off the earth": ({"type": "location", "location": {"latitude": 91, "longitude": 181}}, set()),
    "six contacts": ({"type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}] * 6}, {"contacts"}),
    "a contact without a name": ({"type": "contacts", "contacts": [{"phones": []}]}, {"contacts[0].name"}),
    "a reaction as a reply": (
        {"type": "reaction", "reaction": {"message_id": "wamid.A", "emoji": "x"}, "reply_to": "wamid.B"},
        {"reply_to"},
    ),
    "two kinds at once": ({"type": "text", "text": {"body": "a"}, "location": {}}, {"location"}),
    "no kind": ({"text": {"body": "a"}}, {"type"}),
    "a kind that is not known": ({"type": "carrier_pigeon"}, {"type"}),
    "a template without a language": ({"template_name": "a"}, {"template_language"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_messages_beyond_metas_limits_are_refused_too(talk: Talk, meta: GraphServer, name: str) -> None:
    message, where = OTHERS[name]
    wanted = where or {"location.latitude", "location.longitude"}
    assert faults(talk.send({**TO, **message})).keys() == wanted
    assert meta.asked == []


@pytest.mark.parametrize("body", [b"null", [], "text", 7, {}, {"to": CUSTOMER}])
def test_a_body_that_is_no_message_is_refused(talk: Talk, body: Any) -> None:
    for path in (
        "/whatsapp/messages",
        "/whatsapp/messages/validate",
        "/whatsapp/media/send",
        "/whatsapp/messages/read",
    ):
        assert talk.send(body, path=path).status_code == 400


def test_a_bad_number_beside_another_fault_is_named_with_it(talk: Talk) -> None:
    found = faults(talk.send({"to": "1", "type": "text", "text": {}}))
    assert found == {"to": "invalid_phone", "text.body": "required"}
