"""One message out by the API's own endpoint: what Meta is asked, and what a caller is told of each answer."""

from typing import Any

import pytest

from integrationhub.core import catalogue
from marketplace.models import Tier
from providers.models import Provider
from tests.make import Api, keyed
from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from tests.whatsapp.talking import CUSTOMER, DAY, HELLO, SHIPPED, Talk, know_template

TO = {"to": CUSTOMER}
BUTTONS = {
    "type": "button",
    "body": {"text": "Is it there?"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}}]},
}
ROWS = {"title": "Today", "rows": [{"id": "nine", "title": "9 o'clock", "description": "in the morning"}]}
LIST = {"type": "list", "body": {"text": "When?"}, "action": {"button": "Times", "sections": [ROWS]}}
CTA = {
    "type": "cta_url",
    "header": {"type": "image", "image": {"id": "1166846181421424"}},
    "body": {"text": "Look"},
    "action": {"name": "cta_url", "parameters": {"display_text": "Shop", "url": "https://shop.example/"}},
}
FLOW = {
    "type": "flow",
    "body": {"text": "Book"},
    "action": {"name": "flow", "parameters": {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Book"}},
}
ASK = {"type": "location_request_message", "body": {"text": "Where?"}, "action": {"name": "send_location"}}
CONTENTS: dict[str, tuple[str, Any]] = {
    "text": ("text", {"body": "see https://shop.example", "preview_url": True}),
    "buttons": ("interactive", BUTTONS),
    "list": ("interactive", LIST),
    "link": ("interactive", CTA),
    "flow": ("interactive", FLOW),
    "question for a place": ("interactive", ASK),
    "location": ("location", {"latitude": 37.48, "longitude": -122.15, "name": "Shop", "address": "1 Hacker Way"}),
    "contacts": ("contacts", [{"name": {"formatted_name": "Ada", "first_name": "Ada"}, "phones": [{"phone": "+1"}]}]),
    "reaction": ("reaction", {"message_id": "wamid.ABC=", "emoji": "👍"}),
    "reaction taken back": ("reaction", {"message_id": "wamid.ABC=", "emoji": ""}),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_each_kind_of_message_reaches_meta_as_it_was_given(talk: Talk, meta: GraphServer, name: str) -> None:
    kind, content = CONTENTS[name]
    delivery = talk.sent({**TO, "type": kind, kind: content})
    [sent] = meta.sent
    assert (sent["to"], sent["type"], sent[kind]) == (CUSTOMER, kind, content)
    assert sent["biz_opaque_callback_data"] == delivery["id"]
    assert "context" not in sent
    assert (delivery["status"], delivery["type"]) == ("accepted", kind)
    assert [step["status"] for step in delivery["timeline"]] == ["accepted"]
    assert delivery["message_id"].startswith("wamid.")
    assert delivery["wa_id"] == CUSTOMER.removeprefix("+")
    assert delivery["to"] == CUSTOMER


def test_a_reply_names_the_message_that_it_answers(talk: Talk, meta: GraphServer) -> None:
    talk.sent({**HELLO, "reply_to": "wamid.ABC="})
    assert meta.sent[0]["context"] == {"message_id": "wamid.ABC="}


def test_a_template_is_sent_with_its_parameters_while_the_window_is_closed(api: Api, meta: GraphServer) -> None:
    know_template(api.tenant)
    delivery = Talk(api).sent(SHIPPED)
    assert meta.sent[0]["template"] == {
        "name": "order_shipped",
        "language": {"code": "en", "policy": "deterministic"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "A-1042"}]}
        ],
    }
    assert (delivery["type"], delivery["template_name"], delivery["template_language"]) == (
        *("template", "order_shipped", "en"),
    )
    assert (delivery["message_status"], delivery["used_fallback_template"]) == ("accepted", False)


def test_a_template_that_takes_nothing_is_sent_without_components(api: Api, meta: GraphServer) -> None:
    plain = [{"type": "BODY", "text": "We are open."}]
    know_template(api.tenant, components=plain)
    meta.templates[0]["components"] = plain
    Talk(api).sent({**SHIPPED, "template_params": {}})
    assert "components" not in meta.sent[0]["template"]


def test_the_fallback_template_goes_out_while_the_window_is_closed_and_only_then(api: Api, meta: GraphServer) -> None:
    know_template(api.tenant)
    talk = Talk(api)
    fallback = {"name": "order_shipped", "language": "en", "params": {"body": ["Ada", "A-1042"]}}
    closed = talk.sent({**HELLO, "fallback_template": fallback})
    talk.customer_writes()
    opened = talk.sent({**HELLO, "fallback_template": fallback})
    assert [sent["type"] for sent in meta.sent] == ["template", "text"]
    assert [(each["type"], each["used_fallback_template"]) for each in (closed, opened)] == [
        ("template", True),
        ("text", False),
    ]


# --- Refused before Meta is asked ---


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def told(entry: catalogue.Entry) -> tuple[int, str]:
    return entry.status, entry.code


def nothing_happened(talk: Talk, meta: GraphServer) -> bool:
    used = talk.api.get("/usage").json()["used"]
    return not meta.asked and not talk.deliveries() and used == 0


def test_without_an_account_whatsapp_is_not_configured(talk: Talk, settings: Any) -> None:
    settings.META_WHATSAPP_ACCESS_TOKEN = ""
    for path in ("/whatsapp/messages", "/whatsapp/messages/validate"):
        assert refusal(talk.send(path=path)) == told(catalogue.WHATSAPP_NOT_CONFIGURED)
    assert refusal(talk.send({"message_id": "wamid.A"}, path="/whatsapp/messages/read")) == told(
        catalogue.WHATSAPP_NOT_CONFIGURED
    )
    assert refusal(talk.api.get(f"/whatsapp/window/{CUSTOMER}")) == told(catalogue.WHATSAPP_NOT_CONFIGURED)


@pytest.mark.parametrize("status", ["disabled", "retired", "planned"])
def test_what_operators_have_switched_off_sends_by_no_door(talk: Talk, meta: GraphServer, status: str) -> None:
    """Executions are refused by the same code. Customers are heard all the same."""
    numbers.install(talk.api)
    Provider.objects.filter(provider_key=numbers.KEY).update(status=status)
    doors = {
        "/whatsapp/messages": HELLO,
        "/whatsapp/messages/validate": HELLO,
        "/whatsapp/media/send": {**TO, "media_type": "audio", "media_id": "1166846181421424"},
        "/whatsapp/messages/read": {"message_id": "wamid.A"},
    }
    for path, body in doors.items():
        answer = talk.send(body, path=path)
        assert refusal(answer) == refusal(numbers.execute(talk.api)) == told(catalogue.NO_PROVIDERS)
        assert answer.json()["details"]["reason"] == f"provider_{status}"
    assert [each.outcome for each in talk.customer_writes()] == ["applied"]
    assert nothing_happened(talk, meta)


@pytest.mark.parametrize("number", ["4155552671", "0014155552671", "+1 415 555 2671", "+1415", "+14155552671x7"])
def test_a_number_that_is_none_is_refused_and_nothing_is_stripped(talk: Talk, meta: GraphServer, number: str) -> None:
    for path in ("/whatsapp/messages", "/whatsapp/messages/validate"):
        assert refusal(talk.send({**HELLO, "to": number}, path=path)) == told(catalogue.INVALID_PHONE)
    assert nothing_happened(talk, meta)


def test_when_the_window_has_closed_only_a_template_may_be_sent(api: Api, meta: GraphServer) -> None:
    talk = Talk(api)
    talk.customer_writes(seconds_ago=DAY + 60)
    answer = talk.send()
    assert refusal(answer) == told(catalogue.TEMPLATE_REQUIRED)
    assert answer.json()["details"]["closedAt"] == talk.window()["closes_at"]
    assert nothing_happened(talk, meta)


def test_a_customer_who_never_wrote_gets_templates_only(api: Api, meta: GraphServer) -> None:
    answer = Talk(api).send()
    assert refusal(answer) == told(catalogue.TEMPLATE_REQUIRED)
    assert answer.json()["details"]["closedAt"] is None


UNKNOWN = {
    "unknown_name": {"template_name": "Order_Shipped"},
    "unknown_language": {"template_language": "de"},
}


@pytest.mark.parametrize("reason", UNKNOWN)
def test_a_template_that_is_not_known_by_name_and_language_is_not_found(
    api: Api, meta: GraphServer, reason: str
) -> None:
    know_template(api.tenant)
    answer = Talk(api).send({**SHIPPED, **UNKNOWN[reason]})
    assert refusal(answer) == told(catalogue.TEMPLATE_NOT_FOUND)
    assert answer.json()["details"]["reason"] == reason
    assert nothing_happened(Talk(api), meta)


@pytest.mark.parametrize("word", ["PENDING", "REJECTED", "PAUSED", "DISABLED", "A_WORD_OF_2031"])
def test_only_an_approved_template_is_sent(api: Api, meta: GraphServer, word: str) -> None:
    know_template(api.tenant, status=word)
    answer = Talk(api).send(SHIPPED)
    assert refusal(answer) == told(catalogue.TEMPLATE_NOT_FOUND)
    assert answer.json()["details"]["reason"] == "not_sendable"
    assert nothing_happened(Talk(api), meta)


def test_parameters_that_do_not_fit_are_named_before_meta_counts_them(api: Api, meta: GraphServer) -> None:
    know_template(api.tenant)
    answer = Talk(api).send({**SHIPPED, "template_params": {"body": ["Ada"]}})
    assert refusal(answer) == told(catalogue.INVALID_TEMPLATE_PARAMS)
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == ["template_params.body.2"]
    assert nothing_happened(Talk(api), meta)


def test_the_months_quota_holds_for_messages_too(talk: Talk, meta: GraphServer) -> None:
    Tier.objects.using("system").filter(key="free").update(monthly_quota=2)
    talk.sent()
    talk.sent()
    assert refusal(talk.send()) == told(catalogue.QUOTA_EXCEEDED)
    assert len(meta.sent) == 2
    assert len(talk.deliveries()) == 2


def test_a_check_says_what_would_go_out_and_sends_and_counts_nothing(api: Api, meta: GraphServer) -> None:
    know_template(api.tenant)
    talk = Talk(api)
    fallback = {"name": "order_shipped", "language": "en", "params": {"body": ["Ada", "A-1042"]}}
    answer = talk.send({**HELLO, "fallback_template": fallback}, path="/whatsapp/messages/validate")
    shown = answer.json()
    assert shown.pop("preview")["body"] == "Hello Ada, order A-1042 is on its way."
    assert shown == {"valid": True, "type": "template", "used_fallback_template": True}
    assert nothing_happened(talk, meta)


LOCAL = {
    catalogue.TEMPLATE_REQUIRED: HELLO,
    catalogue.TEMPLATE_NOT_FOUND: {**SHIPPED, "template_name": "nothing"},
    catalogue.INVALID_TEMPLATE_PARAMS: {**SHIPPED, "template_params": {"body": ["Ada"]}},
}


@pytest.mark.parametrize("entry", LOCAL, ids=lambda entry: entry.code)
def test_a_check_finds_the_faults_of_a_sending(api: Api, meta: GraphServer, entry: catalogue.Entry) -> None:
    know_template(api.tenant)
    assert refusal(Talk(api).send(LOCAL[entry], path="/whatsapp/messages/validate")) == told(entry)
    assert nothing_happened(Talk(api), meta)


# --- Refused by Meta ---

META_SAYS = {
    190: catalogue.META_UNAUTHORIZED,
    100: catalogue.META_INVALID_PARAM,
    131048: catalogue.META_UNDELIVERABLE,
    133000: catalogue.META_TEMPLATE_NOT_FOUND,
    132000: catalogue.META_TEMPLATE_PAUSED,
    4: catalogue.META_RATE_LIMIT,
    131047: catalogue.TEMPLATE_REQUIRED,
    132012: catalogue.INVALID_TEMPLATE_PARAMS,
    131016: catalogue.WHATSAPP_UNAVAILABLE,
    133010: catalogue.WHATSAPP_NOT_CONFIGURED,
}


@pytest.mark.parametrize("code", META_SAYS)
def test_what_meta_refuses_is_told_by_its_code_and_stands_in_the_delivery(
    talk: Talk, meta: GraphServer, code: int
) -> None:
    meta.fail(code, details="Meta's own words.")
    answer = talk.send()
    assert refusal(answer) == told(META_SAYS[code])
    details = answer.json()["details"]
    assert details["meta"] == {
        "code": code,
        "subcode": None,
        "details": "Meta's own words.",
        "fbtraceId": "Az8or2yhq",
    }
    delivery = talk.delivery(details["deliveryId"])
    assert (delivery["status"], delivery["error"]["code"]) == ("failed", META_SAYS[code].code)
    assert delivery["error"]["meta"]["code"] == code
    assert talk.api.get("/usage").json()["used"] == 1


def test_a_limit_of_metas_says_when_to_come_again(talk: Talk, meta: GraphServer) -> None:
    meta.regain_minutes = 3
    meta.fail(80007)
    answer = talk.send()
    assert (answer.status_code, answer["Retry-After"]) == (429, "180")
    assert answer.json()["retryable"] is True


# --- Shown as read ---


def test_a_customers_message_is_shown_as_read_and_makes_no_delivery(talk: Talk, meta: GraphServer) -> None:
    body = {"message_id": "wamid.HBg/A+B=", "typing": True}
    answer = talk.send(body, path="/whatsapp/messages/read", **keyed())
    assert (answer.status_code, answer.json()) == (200, {"message_id": "wamid.HBg/A+B=", "read": True})
    assert meta.asked[0].json()["typing_indicator"] == {"type": "text"}
    assert talk.deliveries() == []
    assert talk.api.get("/usage").json()["used"] == 0


# --- Who may ---


def test_sending_wants_an_organizer(talk: Talk, meta: GraphServer) -> None:
    user = Talk(talk.api.as_role("user"))
    assert refusal(user.send()) == told(catalogue.RBAC_FORBIDDEN)
    assert talk.sent()


@pytest.mark.parametrize("code", [190, 100, 4, 131016])
def test_what_meta_refuses_of_a_read_mark_is_told_by_its_code(talk: Talk, meta: GraphServer, code: int) -> None:
    meta.fail(code)
    answer = talk.send({"message_id": "wamid.A"}, path="/whatsapp/messages/read")
    assert refusal(answer) == told(META_SAYS[code])
    assert answer.json()["details"]["meta"]["code"] == code
