"""`message.send.whatsapp` through the door, and what of Meta's failures its caller is told."""

import logging
from typing import Any

import pytest

from tests.make import Api
from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from tests.whatsapp.numbers import execute
from tests.whatsapp.talking import Talk, know_template, status
from tests.whatsapp.test_sending import BUTTONS
from whatsapp import deliveries, pacing

PICTURE = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def sender(api: Api, meta: GraphServer) -> Api:
    """A tenant that has installed WhatsApp and bound its own number."""
    numbers.install(api)
    assert numbers.bind(api, numbers.credentials(meta)).status_code == 201
    meta.asked.clear()
    Talk(api).customer_writes()
    return api


def test_a_message_goes_out_by_the_tenants_own_number(sender: Api, meta: GraphServer) -> None:
    answer = execute(sender)
    body = answer.json()
    assert (answer.status_code, body["status"], body["mode"]) == (200, "succeeded", "live")
    assert body["reference"].startswith("wamid.")
    assert body["result"]["wa_id"] == "14155552671"
    assert [sent["to"] for sent in meta.sent] == ["+14155552671"]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"text": "Hi", "reply_to": "wamid.A"}, {"text": {"body": "Hi"}, "context": {"message_id": "wamid.A"}}),
        ({"media": {"type": "audio", "media_id": "12345"}}, {"audio": {"id": "12345"}}),
        ({"media": {"type": "document", "media_id": "1", "filename": "a.pdf"}},
         {"document": {"id": "1", "filename": "a.pdf"}}),
        ({"interactive": BUTTONS}, {"interactive": BUTTONS}),
        ({"template": {"name": "order_shipped", "language": "en", "params": {"body": ["Ada", "A-1042"]}}},
         {"template": {"name": "order_shipped", "language": {"code": "en", "policy": "deterministic"},
                       "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ada"},
                                                                      {"type": "text", "text": "A-1042"}]}]}}),
    ],
)  # fmt: skip
def test_each_kind_of_message_is_said_as_meta_wants_it(
    sender: Api, meta: GraphServer, content: dict[str, Any], wanted: dict[str, Any]
) -> None:
    know_template(sender.tenant)
    for media_id in ("12345", "1"):
        meta.store(b"a file", "audio/aac", media_id)
    assert execute(sender, {"to": "+14155552671", **content}).status_code == 200
    [sent] = meta.sent
    assert {name: sent[name] for name in wanted} == wanted


def test_a_picture_by_its_address_is_uploaded_first(sender: Api, meta: GraphServer) -> None:
    meta.fail(status=200, on="GET", body=PICTURE, headers={"Content-Type": "image/png"})
    at = f"http://{meta.media_netloc}/a.png"
    assert execute(sender, {"to": "+14155552671", "media": {"type": "image", "url": at}}).status_code == 200
    assert meta.media[meta.sent[0]["image"]["id"]].content == PICTURE


def test_an_upload_whose_answer_is_lost_has_sent_nothing_and_another_provider_may(
    sender: Api, meta: GraphServer
) -> None:
    meta.fail(status=200, on="GET", body=PICTURE, headers={"Content-Type": "image/png"})
    meta.lose_answer("media$")
    at = f"http://{meta.media_netloc}/a.png"
    answer = execute(sender, {"to": "+14155552671", "media": {"type": "image", "url": at}})
    assert answer.json()["code"] == "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED"
    assert (meta.sent, Talk(sender).deliveries()) == ([], [])


def test_a_file_that_took_too_long_sends_nothing_so_that_the_outcome_is_known(sender: Api, meta: GraphServer) -> None:
    meta.fail(status=200, on="GET", body=PICTURE, headers={"Content-Type": "image/png"})
    picture = {"type": "image", "url": f"http://{meta.media_netloc}/a.png"}
    meta.delay = 0.6
    answer = execute(sender, {"to": "+14155552671", "media": picture}, timeout_ms=3000)
    assert answer.json()["code"] == "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED"
    [failure] = answer.json()["details"]["errors"]
    assert (failure["reason"], failure["retryable"]) == ("deadline", True)
    assert (meta.sent, Talk(sender).deliveries()) == ([], [])


REFUSED_EARLY: dict[str, dict[str, Any]] = {
    "ERR_INTEGRATION_HUB_TEMPLATE_REQUIRED": {"to": "+14155550000", "text": "Hi"},
    "ERR_INTEGRATION_HUB_TEMPLATE_NOT_FOUND": {"template": {"name": "nothing", "language": "en"}},
    "ERR_INTEGRATION_HUB_INVALID_TEMPLATE_PARAMS": {"template": {"name": "order_shipped", "language": "en"}},
    "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST": {"media": {"type": "audio", "media_id": "1", "caption": "A"}},
}


@pytest.mark.parametrize("code", REFUSED_EARLY)
def test_what_cannot_be_sent_is_refused_before_anything_is_stored_or_counted(
    sender: Api, meta: GraphServer, code: str
) -> None:
    know_template(sender.tenant)
    answer = execute(sender, {"to": "+14155552671", **REFUSED_EARLY[code]})
    assert answer.json()["code"] == code
    assert (meta.asked, sender.get("/executions").json()["data"], sender.get("/usage").json()["used"]) == ([], [], 0)


def test_each_attempt_has_a_delivery_and_the_execution_is_counted_once(sender: Api, meta: GraphServer) -> None:
    meta.fail(130429)
    execution = execute(sender).json()
    sent, refused = sender.get("/whatsapp/deliveries").json()["data"]
    assert (sent["message_id"], sent["id"]) == (execution["reference"], execution["result"]["delivery_id"])
    assert (sent["status"], refused["status"]) == ("accepted", "failed")
    assert sender.get("/usage").json()["used"] == 1


def test_a_lost_message_of_an_execution_is_reconciled_by_our_id(sender: Api, meta: GraphServer) -> None:
    meta.lose_answer()
    execute(sender)
    talk = Talk(sender)
    [delivery] = talk.deliveries()
    assert delivery["status"] == "unknown"
    talk.meta_tells(status({**delivery, "message_id": "wamid.A"}, "read"))
    assert talk.delivery(delivery["id"])["status"] == "read"


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (100, 400, "META_INVALID_PARAM"),
        (131048, 400, "META_UNDELIVERABLE"),
        (131026, 400, "META_UNDELIVERABLE"),
        (133000, 404, "META_TEMPLATE_NOT_FOUND"),
        (132001, 404, "META_TEMPLATE_NOT_FOUND"),
        (132000, 400, "META_TEMPLATE_PAUSED"),
        (132015, 400, "META_TEMPLATE_PAUSED"),
        (132069, 429, "META_RATE_LIMIT"),
        (131047, 400, "ERR_INTEGRATION_HUB_TEMPLATE_REQUIRED"),
        (132012, 400, "ERR_INTEGRATION_HUB_INVALID_TEMPLATE_PARAMS"),
        (131053, 503, "ERR_INTEGRATION_HUB_SVC_WHATSAPP_UNAVAILABLE"),
    ],
)
def test_a_refusal_of_the_message_is_told_by_the_code_that_it_means(
    sender: Api, meta: GraphServer, number: int, status: int, code: str
) -> None:
    meta.fail(number, details="Meta's own words.", subcode=2494010)
    answer = execute(sender)
    body = answer.json()
    assert (answer.status_code, body["statusCode"], body["code"]) == (status, status, code)
    assert body["details"]["meta"] == {
        "code": number,
        "subcode": 2494010,
        "details": "Meta's own words.",
        "fbtraceId": "Az8or2yhq",
    }
    assert len(meta.asked) == 1


@pytest.mark.parametrize(
    ("number", "code", "calls"),
    [
        (190, "META_UNAUTHORIZED", 1),
        (131005, "META_UNAUTHORIZED", 1),
        (133010, "ERR_INTEGRATION_HUB_SVC_WHATSAPP_NOT_CONFIGURED", 1),
        (131042, "ERR_INTEGRATION_HUB_SVC_WHATSAPP_UNAVAILABLE", 1),
        (4, "META_RATE_LIMIT", 2),
        (131016, "ERR_INTEGRATION_HUB_SVC_WHATSAPP_UNAVAILABLE", 2),
    ],
)
def test_what_another_provider_could_do_is_told_of_every_attempt(
    sender: Api, meta: GraphServer, number: int, code: str, calls: int
) -> None:
    """Where Meta says that it did not act, the last provider is asked a second time."""
    meta.fail(number, times=2)
    answer = execute(sender)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED")
    assert [error["code"] for error in body["details"]["errors"]] == [code] * calls
    assert {error["reason"] for error in body["details"]["errors"]} == {f"meta_{number}"}


def test_meta_that_was_busy_for_a_moment_is_asked_once_more(sender: Api, meta: GraphServer) -> None:
    meta.fail(130429)
    assert execute(sender).json()["status"] == "succeeded"
    assert len(meta.sent) == 1


def test_one_customer_who_was_written_to_too_fast_holds_no_other_back(
    sender: Api, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait that stood in `retry_after` would have the whole number left alone for as long."""
    monkeypatch.setattr(pacing, "PAIR_BURST", 1)
    know_template(sender.tenant)
    hello = {"template": {"name": "order_shipped", "language": "en", "params": {"body": ["Ada", "A-1042"]}}}
    assert execute(sender, {"to": "+14155552671", **hello}).json()["status"] == "succeeded"
    refused = execute(sender, {"to": "+14155552671", **hello}).json()
    assert {error["reason"] for error in refused["details"]["errors"]} == {"pair_rate_limit"}
    assert execute(sender, {"to": "+14155550000", **hello}).json()["status"] == "succeeded"
    assert len(meta.sent) == 2


def test_a_message_whose_answer_was_lost_is_not_sent_twice(sender: Api, meta: GraphServer) -> None:
    meta.lose_answer()
    answer = execute(sender)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED")
    assert (body["details"]["reason"], body["retryable"]) == ("outcome_unknown", False)
    assert len(meta.sent) == 1


def test_a_token_that_meta_refuses_is_shown_to_its_owner(sender: Api, meta: GraphServer) -> None:
    meta.token = "EAAG-the-token-that-came-after-it"
    execute(sender)
    [credential] = sender.get("/credentials").json()["data"]
    assert credential["failing_since"]


def test_a_tenant_without_a_number_sends_by_the_deployments(api: Api, meta: GraphServer) -> None:
    numbers.install(api)
    Talk(api).customer_writes()
    assert execute(api).status_code == 200
    assert [asked.path for asked in meta.asked] == [f"/{meta.phone_number_id}/messages"]


def test_without_either_number_there_is_no_credential(api: Api, meta: GraphServer, settings: Any) -> None:
    settings.META_WHATSAPP_ACCESS_TOKEN = ""
    numbers.install(api)
    answer = execute(api)
    assert (answer.status_code, answer.json()["code"]) == (404, "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND")


def test_no_log_line_and_no_answer_holds_the_token(
    sender: Api, meta: GraphServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    meta.fail(190, 401, details=f"Malformed access token {meta.token}")
    answer = execute(sender)
    assert meta.token not in answer.content.decode() + caplog.text


def test_a_message_of_which_a_webhook_told_before_its_answer_was_lost_has_succeeded(
    sender: Api, meta: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = deliveries.refused

    def after_the_webhook(delivery: Any, error: Any) -> Any:
        Talk(sender).meta_tells(status({"id": str(delivery.id), "message_id": "wamid.EARLY"}, "sent"))
        return refused(delivery, error)

    monkeypatch.setattr(deliveries, "refused", after_the_webhook)
    meta.lose_answer()
    body = execute(sender).json()
    assert (body["status"], body["reference"]) == ("succeeded", "wamid.EARLY")
