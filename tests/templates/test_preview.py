"""How a template looks with its values."""

from templates import parameters, preview
from tests.templates.making import ORDER_UPDATE, body, header, template


def test_values_stand_where_they_are_sent_to() -> None:
    made = template(*ORDER_UPDATE)
    sent = parameters.check(
        made, {"header": ["1042"], "body": ["Ana", "Monday"], "buttons": [{"index": 1, "value": "10 42"}]}
    )
    assert preview.render(made, sent) == {
        "header": {"format": "text", "text": "Order 1042"},
        "body": "Hello Ana, it comes on Monday. Yours, Ana?",
        "footer": "Reply STOP to opt out",
        "buttons": [
            {"type": "quick_reply", "text": "Thanks"},
            {"type": "url", "text": "Track", "url": "https://shop.example/orders/10%2042"},
        ],
    }


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
