"""What a template takes is derived from its components, and what does not fit is named, all of it at once."""

from typing import Any

import pytest

from templates import parameters
from templates.errors import InvalidTemplateParams
from templates.models import MessageTemplate
from tests.templates.making import ORDER_UPDATE, body, buttons, header, template

OTP_LISTED = [
    body("*{{1}}* is your verification code."),
    buttons(
        {"type": "URL", "text": "Copy", "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"}
    ),
]
OTP_MADE = [{"type": "body", "add_security_recommendation": True}, buttons({"type": "OTP", "otp_type": "ONE_TAP"})]


def faults(made: MessageTemplate, given: Any) -> dict[str, str]:
    """The reasons by the fields at fault."""
    with pytest.raises(InvalidTemplateParams) as raised:
        parameters.check(made, given)
    return {
        fault["field"].removeprefix("template_params."): fault["reason"] for fault in raised.value.details["fields"]
    }


def sent(made: MessageTemplate, given: Any) -> list[dict[str, Any]]:
    return parameters.check(made, given)


def test_a_template_without_variables_takes_and_sends_nothing() -> None:
    plain = template(body("Hello."), {"type": "FOOTER", "text": "{{1}}"})
    assert parameters.required(plain) == []
    assert sent(plain, None) == sent(plain, {}) == []


def test_header_body_and_a_buttons_address_are_each_given_their_own_values() -> None:
    given = {"header": ["1042"], "body": ["Ana", "Monday"], "buttons": [{"index": 1, "value": "1042"}]}
    assert sent(template(*ORDER_UPDATE), given) == [
        {"type": "header", "parameters": [{"type": "text", "text": "1042"}]},
        {"type": "body", "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "Monday"}]},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "1042"}]},
    ]


def test_every_value_that_lacks_is_named_at_once() -> None:
    lacking = {"header.1": "missing", "body.1": "missing", "body.2": "missing", "buttons.1": "missing"}
    assert faults(template(*ORDER_UPDATE), None) == lacking


def test_what_the_template_does_not_take_is_named_too() -> None:
    given = {
        "header": ["1", "2"],
        "body": ["a", "b", "c"],
        "buttons": [{"index": 1, "value": "x"}, {"index": 7, "value": "y"}, {"value": "z"}, {"index": 1, "value": "x"}],
        "footer": ["f"],
        "limited_time_offer": {"expiration_time_ms": 10**13},
    }
    assert faults(template(*ORDER_UPDATE), given) == {
        "header.2": "unexpected",
        "body.3": "unexpected",
        "buttons.7": "unexpected",
        "buttons.2": "not_a_button",
        "buttons.3": "given_twice",
        "footer": "unexpected",
        "limited_time_offer": "unexpected",
    }


def test_a_placeholder_that_stands_twice_is_given_once_and_numbers_are_sorted_as_numbers() -> None:
    made = template(body(" ".join(f"{{{{{number}}}}}" for number in (10, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9))))
    texts = [each["text"] for each in sent(made, {"body": list("abcdefghij")})[0]["parameters"]]
    assert texts == list("abcdefghij")
    assert parameters.required(made)[0].names == tuple(map(str, range(1, 11)))


def test_named_values_are_sent_under_their_names_in_any_order() -> None:
    made = template(
        body("Hi {{first_name}}, {{day}}."), header("TEXT", text="{{first_name}}"), parameter_format="NAMED"
    )
    given = {"header": {"first_name": "Ana"}, "body": {"day": "Monday", "first_name": "Ana"}}
    assert sent(made, given)[1]["parameters"] == [
        {"type": "text", "text": "Ana", "parameter_name": "first_name"},
        {"type": "text", "text": "Monday", "parameter_name": "day"},
    ]
    assert faults(made, {"header": ["Ana"], "body": ["Ana", "Monday"]}) == {"body": "not_by_name"}
    wrong = {"header": {"first_name": "Ana"}, "body": {"first_name": "Ana", "week": "48"}}
    assert faults(made, wrong) == {"body.day": "missing", "body.week": "unexpected"}


@pytest.mark.parametrize("parameter_format", ["", "POSITIONAL"])
def test_an_old_listing_without_a_format_tells_by_its_placeholders(parameter_format: str) -> None:
    assert parameters.required(template(body("{{1}}"), parameter_format=parameter_format))[0].is_named is False
    assert parameters.required(template(body("{{day}}"), parameter_format=parameter_format))[0].is_named is True


def test_a_named_templates_address_takes_a_plain_value_whatever_its_variable_is_called() -> None:
    for variable in ("{{1}}", "{{customer}}"):
        made = template(
            buttons({"type": "URL", "text": "Go", "url": f"https://a.example/{variable}"}), parameter_format="NAMED"
        )
        [button] = sent(made, {"buttons": [{"index": "0", "value": "x"}]})
        assert button["parameters"] == [{"type": "text", "text": "x"}]


def test_samples_decide_nothing() -> None:
    with_sample = template(
        body("Hello."), buttons({"type": "URL", "text": "Go", "url": "https://a.example/", "example": ["x"]})
    )
    assert parameters.required(with_sample) == []
    without_sample = template(header("IMAGE"), body("{{1}}"))
    assert [slot.kind for slot in parameters.required(without_sample)] == ["image", "text"]


@pytest.mark.parametrize("kind", ["image", "video", "document", "gif"])
def test_a_media_header_takes_an_id_or_a_link(kind: str) -> None:
    made = template(header(kind.upper()))
    for media in ({"id": "123"}, {"link": "https://a.example/x"}):
        assert sent(made, {"header": [media]}) == [{"type": "header", "parameters": [{"type": kind, kind: media}]}]
    assert faults(made, {}) == {"header": "missing"}
    assert faults(made, {"header": [{"id": "1", "link": "https://a.example"}]}) == {"header": "not_media"}
    assert faults(made, {"header": [{"link": "file:///etc/passwd"}]}) == {"header.link": "not_a_link"}
    assert faults(made, {"header": [{"id": "1"}, {"id": "2"}]}) == {"header": "wrong_count"}


def test_only_a_document_has_a_filename() -> None:
    media = {"id": "1", "filename": "bill.pdf"}
    assert sent(template(header("DOCUMENT")), {"header": [media]})[0]["parameters"][0]["document"] == media
    assert faults(template(header("IMAGE")), {"header": [media]}) == {"header.filename": "unexpected"}


def test_headers_of_places_and_products() -> None:
    place = {"latitude": 48.1, "longitude": 11.5, "name": "Shop", "address": "Road 1"}
    assert sent(template(header("LOCATION")), {"header": [place]})[0]["parameters"][0]["location"] == place
    assert faults(template(header("LOCATION")), {"header": [{"latitude": 91}]}) == {"header.longitude": "missing"}
    assert faults(template(header("LOCATION")), {"header": [{**place, "latitude": 91}]}) == {
        "header.latitude": "not_a_number"
    }
    product = {"catalog_id": "c", "product_retailer_id": "p"}
    assert sent(template(header("PRODUCT")), {"header": [product]})[0]["parameters"][0]["product"] == product


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("a\nb", "has_newline"),
        ("a\rb", "has_newline"),
        ("a\tb", "has_tab"),
        ("a     b", "has_many_spaces"),
        (42, "not_a_text"),
        (None, "not_a_text"),
        (["a"], "not_a_text"),
    ],
)
def test_what_meta_refuses_in_a_text_is_refused_before_it_is_asked(value: Any, reason: str) -> None:
    assert faults(template(body("Hi {{1}}.")), {"body": [value]}) == {"body.1": reason}
    address = buttons({"type": "URL", "text": "Go", "url": "https://a.example/{{1}}"})
    assert faults(template(address), {"buttons": [{"index": 0, "value": value}]}) == {"buttons.0": reason}


def test_four_spaces_are_not_too_many() -> None:
    assert sent(template(body("Hi {{1}}.")), {"body": ["a    b"]})


def test_the_length_of_a_body_is_that_with_its_values() -> None:
    made = template(body("x" * 1000 + "{{1}}{{1}}"))
    assert sent(made, {"body": ["y" * 12]})
    assert faults(made, {"body": ["y" * 13]}) == {"body": "too_long"}


def test_amounts_and_moments_are_written_by_meta() -> None:
    money = {"currency": {"fallback_value": "€5", "code": "EUR", "amount_1000": 5000}}
    moment = {"date_time": {"fallback_value": "Monday"}}
    [component] = sent(template(body("{{1}} on {{2}}")), {"body": [money, moment]})
    assert component["parameters"] == [{"type": "currency", **money}, {"type": "date_time", **moment}]
    bad = {"currency": {"fallback_value": "€5", "code": "EUR", "amount_1000": "5"}}
    assert faults(template(body("{{1}}")), {"body": [bad]}) == {"body.1.currency.amount_1000": "not_a_number"}


def test_an_addresses_end_is_encoded_once() -> None:
    made = template(buttons({"type": "URL", "text": "Go", "url": "https://a.example/?q={{1}}"}))
    for value, ending in (("a b&c=é", "a%20b&c=%C3%A9"), ("a%20b", "a%20b")):
        [button] = sent(made, {"buttons": [{"index": 0, "value": value}]})
        assert button["parameters"][0]["text"] == ending
    assert faults(made, {"buttons": [{"index": 0, "value": "x" * 2000}]}) == {"buttons.0": "too_long"}


@pytest.mark.parametrize("components", [OTP_LISTED, OTP_MADE], ids=["as listed", "as made"])
def test_a_one_time_code_goes_into_the_body_and_its_button(components: list[dict[str, Any]]) -> None:
    made = template(*components, category="AUTHENTICATION")
    code = [{"type": "text", "text": "123456"}]
    assert sent(made, {"body": ["123456"]}) == [
        {"type": "body", "parameters": code},
        {"type": "button", "sub_type": "url", "index": "0", "parameters": code},
    ]
    assert faults(made, {"body": ["1" * 16]}) == {"buttons.0": "too_long"}
    assert faults(made, {}) == {"body.1": "missing", "buttons.0": "missing"}


def test_buttons_that_take_something_else() -> None:
    made = template(
        buttons(
            {"type": "COPY_CODE", "text": "Copy"},
            {"type": "FLOW", "text": "Start"},
            {"type": "CATALOG", "text": "See"},
            {"type": "MPM", "text": "Buy"},
            {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+1"},
            {"type": "NEXT_YEARS_KIND", "text": "?"},
        )
    )
    wares = {"thumbnail_product_retailer_id": "p", "sections": [{"title": "s", "product_items": []}]}
    given = {"buttons": [{"index": 0, "value": "SAVE25"}, {"index": 3, "value": wares}]}
    assert [(each["sub_type"], each["index"], each["parameters"]) for each in sent(made, given)] == [
        ("copy_code", "0", [{"type": "coupon_code", "coupon_code": "SAVE25"}]),
        ("flow", "1", [{"type": "action", "action": {"flow_token": "unused"}}]),
        ("mpm", "3", [{"type": "action", "action": wares}]),
    ]
    assert faults(made, {"buttons": [{"index": 4, "value": "x"}, {"index": 5, "value": "x"}]}) == {
        "buttons.0": "missing",
        "buttons.3": "missing",
        "buttons.4": "unexpected",
        "buttons.5": "unexpected",
    }


def test_a_quick_reply_may_be_given_a_payload() -> None:
    made = template(buttons({"type": "QUICK_REPLY", "text": "Yes"}))
    assert sent(made, {}) == []
    [button] = sent(made, {"buttons": [{"index": 0, "value": "yes-1042"}]})
    assert button["parameters"] == [{"type": "payload", "payload": "yes-1042"}]


def test_an_offer_ends_at_a_moment_in_milliseconds() -> None:
    offer = {"type": "limited_time_offer", "limited_time_offer": {"text": "Sale", "has_expiration": True}}
    made = template(offer, buttons({"type": "COPY_CODE", "text": "Copy"}))
    given = {"limited_time_offer": {"expiration_time_ms": 1_900_000_000_000}, "buttons": [{"index": 0, "value": "A"}]}
    moment = {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1_900_000_000_000}}
    assert sent(made, given)[0] == {"type": "limited_time_offer", "parameters": [moment]}
    seconds = {**given, "limited_time_offer": {"expiration_time_ms": 1_900_000_000}}
    assert faults(made, seconds) == {"limited_time_offer.expiration_time_ms": "not_milliseconds"}
    long_code = {**given, "buttons": [{"index": 0, "value": "A" * 16}]}
    assert faults(made, long_code) == {"buttons.0": "too_long"}


def test_each_card_of_a_carousel_is_given_its_own_values() -> None:
    card = {
        "components": [
            header("IMAGE"),
            body("For {{1}}"),
            buttons({"type": "URL", "text": "Go", "url": "https://a.example/{{1}}"}),
        ]
    }
    made = template(body("Hi {{1}}"), {"type": "CAROUSEL", "cards": [card, card]})
    one = {"header": [{"id": "1"}], "body": ["Ana"], "buttons": [{"index": 0, "value": "x"}]}
    components = sent(made, {"body": ["Ana"], "cards": [one, one]})
    assert [each["type"] for each in components] == ["body", "carousel"]
    cards = components[1]["cards"]
    assert [each["card_index"] for each in cards] == [0, 1]
    assert [each["type"] for each in cards[1]["components"]] == ["header", "body", "button"]
    assert faults(made, {"body": ["Ana"], "cards": [one, {"body": ["a\tb"]}]}) == {
        "cards.1.header": "missing",
        "cards.1.body.1": "has_tab",
        "cards.1.buttons.0": "missing",
    }
    assert faults(made, {"body": ["Ana"]}) == {"cards": "missing"}
    assert faults(made, {"body": ["Ana"], "cards": [one]}) == {"cards": "wrong_count"}


@pytest.mark.parametrize("odd", [None, "text", 3, [None], [{"type": 3}], [{"type": "BUTTONS", "buttons": [3]}]])
def test_components_that_are_not_as_they_should_be_take_nothing(odd: Any) -> None:
    made = MessageTemplate(name="odd", language="en", components=odd)
    assert parameters.required(made) == []
    assert sent(made, {}) == []
