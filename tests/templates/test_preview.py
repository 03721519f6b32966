"""How a template looks with its values."""

from uuid import UUID

import pytest

from templates import parameters, preview
from tests.make import Api
from tests.meta.graph_server import GraphServer
from tests.templates.making import ORDER_UPDATE, body, header, stored, template
from tests.whatsapp.talking import Talk

FILLED = {
    "header": {"format": "text", "text": "Order 1042"},
    "body": "Hello Ana, it comes on Monday. Yours, Ana?",
    "footer": "Reply STOP to opt out",
    "buttons": [
        {"type": "quick_reply", "text": "Thanks"},
        {"type": "url", "text": "Track", "url": "https://shop.example/orders/10%2042"},
    ],
}


@pytest.fixture
def talk(api: Api, meta: GraphServer) -> Talk:
    talk = Talk(api)
    talk.customer_writes()
    return talk


def test_values_stand_where_they_are_sent_to() -> None:
    made = template(*ORDER_UPDATE)
    sent = parameters.check(
        made, {"header": ["1042"], "body": ["Ana", "Monday"], "buttons": [{"index": 1, "value": "10 42"}]}
    )
    assert preview.render(made, sent) == FILLED


def test_a_check_of_a_message_shows_what_the_customer_would_see(api: Api, tenant: UUID, meta: GraphServer) -> None:
    stored(tenant, waba_id=meta.waba_id)
    params = {"header": ["1042"], "body": ["Ana", "Monday"], "buttons": [{"index": 1, "value": "10 42"}]}
    named = {"template_name": "order_update", "template_language": "en_US", "template_params": params}
    answer = api.post("/whatsapp/messages/validate", {"to": "+14155552671", **named})
    assert answer.status_code == 200
    assert answer.json()["preview"] == FILLED


def test_a_check_of_another_message_shows_nothing(talk: Talk) -> None:
    assert talk.send(path="/whatsapp/messages/validate").json()["preview"] is None


def test_without_values_there_are_metas_samples_or_the_placeholders() -> None:
    named = {"body_text_named_params": [{"param_name": "day", "example": "Monday"}]}
    made = template(body("On {{day}}, {{name}}.") | {"example": named}, header("IMAGE"), parameter_format="NAMED")
    assert preview.render(made)["body"] == "On Monday, {{name}}."
    assert preview.render(made)["header"] == {"format": "image", "text": ""}
    assert preview.render(template(*ORDER_UPDATE))["body"] == "Hello {{1}}, it comes on {{2}}. Yours, {{1}}?"


def test_amounts_are_shown_by_what_stands_in_for_them() -> None:
    made = template(body("It costs {{1}}."))
    money = {"currency": {"fallback_value": "€5", "code": "EUR", "amount_1000": 5000}}
    assert preview.render(made, parameters.check(made, {"body": [money]}))["body"] == "It costs €5."


def test_each_card_of_a_carousel_has_its_own() -> None:
    made = template(
        body("Hi"), {"type": "CAROUSEL", "cards": [{"components": [header("IMAGE"), body("For {{1}}")]}] * 2}
    )
    cards = [{"header": [{"id": "1"}], "body": [name]} for name in ("Ana", "Bo")]
    sent = parameters.check(made, {"cards": cards})
    assert [card["body"] for card in preview.render(made, sent)["cards"]] == ["For Ana", "For Bo"]
