import copy
from typing import Any

import pytest

from integrationhub.core.errors import InvalidRequest
from providers.errors import InvalidIntent, InvalidPhone
from providers.intents import CATEGORIES, INTENTS, Intent
from providers.payloads import validate_payload

ALL = pytest.mark.parametrize("intent", INTENTS.values(), ids=INTENTS)
SMS = INTENTS["message.send.sms"]
EMAIL = INTENTS["message.send.email"]


def faults_of(intent: Intent, payload: Any) -> dict[str, dict[str, str]]:
    with pytest.raises((InvalidRequest, InvalidPhone)) as caught:
        validate_payload(intent, payload)
    return {fault["field"]: fault for fault in caught.value.details["fields"]}


@ALL
def test_the_example_of_every_intent_is_valid(intent: Intent) -> None:
    validate_payload(intent, intent.example)


@ALL
def test_an_empty_payload_names_every_required_member(intent: Intent) -> None:
    found = faults_of(intent, {})
    assert {f"payload.{name}" for name in intent.payload_schema["required"]} <= found.keys()
    assert all(fault["expected"] for fault in found.values())


@ALL
def test_a_member_that_no_schema_knows_is_named(intent: Intent) -> None:
    assert faults_of(intent, {**intent.example, "surprise": 1}).keys() == {"payload.surprise"}


@ALL
def test_each_member_of_the_wrong_type_is_named(intent: Intent) -> None:
    for name in (name for name in intent.example if name != "body" or intent.category == "messaging"):
        found = faults_of(intent, {**intent.example, name: 3.5})
        assert found[f"payload.{name}"]["reason"] == "wrong_type"


@ALL
@pytest.mark.parametrize("payload", [None, [], "text", 7, True])
def test_a_payload_that_is_no_object_is_refused(intent: Intent, payload: Any) -> None:
    assert faults_of(intent, payload)["payload"]["reason"] == "wrong_type"


def test_all_faults_are_named_at_once() -> None:
    found = faults_of(EMAIL, {"to": ["ada", "b@example.com"], "subject": "a\nBcc: x@example.com", "extra": 1})
    assert found.keys() == {"payload.to[0]", "payload.subject", "payload.extra", "payload"}
    assert found["payload"]["expected"] == "at least one of text, html, template_id"


@pytest.mark.parametrize(
    "to",
    ["4155552671", "+0155552671", "+1 415 555 2671", "+14155552671\n", "+1415555", "+٤١٥٥٥٥٢٦٧١", "", "+" + "1" * 16],
)
def test_a_bad_number_alone_is_an_invalid_phone(to: str) -> None:
    with pytest.raises(InvalidPhone, match=r"E\.164") as caught:
        validate_payload(SMS, {"to": to, "text": "hello"})
    assert [fault["field"] for fault in caught.value.details["fields"]] == ["payload.to"]


def test_a_bad_number_among_other_faults_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest):
        validate_payload(SMS, {"to": "nobody"})


def test_a_missing_number_is_an_invalid_request() -> None:
    assert faults_of(SMS, {"text": "hello"})["payload.to"]["reason"] == "required"


def test_a_fault_does_not_repeat_the_value() -> None:
    assert "hunter2" not in str(faults_of(SMS, {"to": "hunter2", "text": ["hunter2"]}).values())


@pytest.mark.parametrize("kinds", [("text", "media"), ("text", "template"), ()])
def test_a_whatsapp_message_is_of_exactly_one_kind(kinds: tuple[str, ...]) -> None:
    bodies = {
        "text": "hello",
        "media": {"type": "image", "url": "https://example.com/a.png"},
        "template": {"name": "hello", "language": "en"},
    }
    found = faults_of(
        INTENTS["message.send.whatsapp"], {"to": "+14155552671", **{kind: bodies[kind] for kind in kinds}}
    )
    assert found["payload"]["expected"] == "exactly one of text, template, media, interactive"


@pytest.mark.parametrize("content", ["aGk", "aGk=\n", "not base64", "aGk*"])
def test_content_that_is_not_base64_is_refused(content: str) -> None:
    found = faults_of(INTENTS["storage.put.object"], {"key": "a", "content": content})
    assert found["payload.content"]["reason"] == "not_base64"


@pytest.mark.parametrize("url", ["ftp://example.com", "https://", "https://user:secret@example.com/", "example.com"])
def test_an_address_that_is_no_plain_web_address_is_refused(url: str) -> None:
    assert "payload.url" in faults_of(INTENTS["webhook.send.http"], {"url": url})


def test_a_header_cannot_carry_a_second_one() -> None:
    found = faults_of(INTENTS["webhook.send.http"], {"url": "https://example.com", "headers": {"X-A": "1\r\nX-B: 2"}})
    assert found.keys() == {"payload.headers.X-A"}


def test_the_validators_leave_the_payload_alone() -> None:
    payload = copy.deepcopy(SMS.example)
    validate_payload(SMS, payload)
    assert payload == SMS.example


def test_an_intent_is_found_in_its_category() -> None:
    assert Intent.parse("messaging", "message.send.sms") is SMS


@pytest.mark.parametrize(
    ("category", "name", "said"),
    [
        ("messaging", "message.send.smss", "Did you mean message.send.sms"),
        ("messaging", "sms", "Did you mean message.send.sms"),
        ("messaging", "Message.Send.SMS", "Did you mean message.send.sms"),
        ("storage", "message.send.sms", "belongs to the category 'messaging'"),
        ("telephony", "message.send.sms", "the categories are messaging, storage, automation"),
        ("messaging", "", "<domain>.<action>"),
        ("messaging", "x" * 5000, "<domain>.<action>"),
    ],
)
def test_a_wrong_intent_says_what_was_probably_meant(category: str, name: str, said: str) -> None:
    with pytest.raises(InvalidIntent) as caught:
        Intent.parse(category, name)
    assert said in caught.value.message
    assert len(caught.value.message) < 300


def test_the_first_release_has_its_fourteen_intents() -> None:
    assert len(INTENTS) == 14
    assert {intent.category for intent in INTENTS.values()} == set(CATEGORIES)


def test_only_reading_goes_on_after_an_unknown_outcome() -> None:
    reading = {name for name, intent in INTENTS.items() if intent.on_ambiguous == "next"}
    assert reading == {"storage.get.object", "storage.presign.object", "storage.get.ipfs"}
