"""Answers as MessageBird documents them; what is asked is compared with its own library in test_sms_wire.py."""

from dataclasses import replace
from typing import Any

import pytest

from integrationhub.core import catalogue
from integrationhub.core.errors import InvalidRequest
from providers import registry
from providers.adapter import Receipt
from providers.errors import Ambiguous, Next, ProviderError, Stop
from tests.providers.answering import AnsweringServer, call

KEY = "live_0123456789abcdefEXAMPLE"
RECIPIENT = {"recipient": 14155552671, "status": "sent", "statusDatetime": "2026-05-03T14:26:57+00:00"}
# https://developers.messagebird.com/api/sms-messaging/#send-outbound-sms
ACCEPTED = {
    "id": "e8077d803532c0b5937c639b60216938",
    "href": "https://rest.messagebird.com/messages/e8077d803532c0b5937c639b60216938",
    "recipients": {"totalCount": 1, "totalSentCount": 1, "items": [RECIPIENT]},
}


@pytest.fixture
def bird(server: AnsweringServer) -> AnsweringServer:
    server.answer(201, ACCEPTED)
    return server


def asked(server: AnsweringServer, config: Any = None, **payload: Any) -> Any:
    message = call("message.send.sms", {"to": "+14155552671", "text": "Hello", **payload}, access_key=KEY)
    return replace(message, base_url=server.base_url, config={"from": "IntegrHub"} if config is None else config)


def send(server: AnsweringServer, **given: Any) -> Receipt:
    return registry.instance("messagebird_sms").execute(asked(server, **given))


def failure(server: AnsweringServer, **given: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        send(server, **given)
    assert KEY not in str(caught.value)
    return caught.value


def test_an_accepted_message_returns_messagebirds_id(bird: AnsweringServer) -> None:
    receipt = send(bird)
    assert (receipt.reference, receipt.result) == ("e8077d803532c0b5937c639b60216938", {"status": "sent"})
    assert bird.asked[0].json()["recipients"] == "14155552671"


def test_the_payloads_sender_comes_first_and_a_number_goes_without_its_plus_sign(bird: AnsweringServer) -> None:
    send(bird, **{"from": "+15005550006"})
    send(bird)
    assert [one.json()["originator"] for one in bird.asked] == ["15005550006", "IntegrHub"]


def test_without_a_sender_nothing_is_begun(bird: AnsweringServer) -> None:
    with pytest.raises(InvalidRequest) as caught:
        registry.instance("messagebird_sms").preflight(asked(bird, config={}))
    assert caught.value.details["fields"][0]["field"] == "payload.from"
    error = failure(bird, config={})
    assert (type(error), error.reason, bird.asked) == (Next, "sender_missing", [])


@pytest.mark.parametrize(
    ("status", "code", "parameter", "kind", "is_refused"),
    [
        (401, 2, "access_key", Next, True),
        (422, 9, "body", Stop, False),
        (422, 9, "recipients", Stop, False),
        (422, 9, "originator", Next, False),
        (422, 10, "originator", Next, False),
        (422, 10, "validity", Stop, False),
        (404, 20, None, Next, False),
        (400, 21, None, Stop, False),
        (422, 25, None, Next, False),
        (404, 98, None, Next, False),
        (422, 101, None, Stop, False),
    ],
)
def test_each_code_has_its_class(
    bird: AnsweringServer, status: int, code: int, parameter: str | None, kind: type[ProviderError], is_refused: bool
) -> None:
    said = {"code": code, "description": "No luck", "parameter": parameter}
    bird.answer(status, {"errors": [said, {"code": 99}]})
    error = failure(bird)
    assert (type(error), error.reason, error.credential_refused) == (kind, f"messagebird_{code}", is_refused)
    assert "No luck" in str(error)


def test_an_account_without_balance_is_left_alone_for_long(bird: AnsweringServer) -> None:
    bird.answer(422, {"errors": [{"code": 25, "description": "Not enough balance", "parameter": None}]})
    assert failure(bird).retry_after == 300


def test_an_invalid_number_is_the_callers_to_know(bird: AnsweringServer) -> None:
    words = "no (correct) recipients found"
    bird.answer(422, {"errors": [{"code": 9, "description": words, "parameter": "recipients"}]})
    assert failure(bird).entry is catalogue.INVALID_PHONE


@pytest.mark.parametrize("errors", [None, [], {}, "no", [None], ["2"], [{"code": "2"}], [{"code": True}]])
def test_errors_that_cannot_be_read_leave_the_status_to_speak(bird: AnsweringServer, errors: object) -> None:
    bird.answer(422, {"errors": errors})
    error = failure(bird)
    assert (type(error), error.reason) == (Stop, "upstream_422")


def test_a_code_beside_a_server_error_is_not_believed(bird: AnsweringServer) -> None:
    bird.answer(500, {"errors": [{"code": 99, "description": "Internal error"}]})
    error = failure(bird)
    assert (type(error), error.reason) == (Ambiguous, "upstream_500")


def test_errors_beside_a_success_are_an_error(bird: AnsweringServer) -> None:
    bird.answer(200, {"errors": [{"code": 2, "description": "Request not allowed"}]})
    error = failure(bird)
    assert (type(error), error.reason, error.credential_refused) == (Next, "messagebird_2", True)


@pytest.mark.parametrize("reference", [None, "", 5, ["x"]])
def test_an_acceptance_without_an_id_is_ambiguous(bird: AnsweringServer, reference: object) -> None:
    bird.answer(201, {**ACCEPTED, "id": reference})
    error = failure(bird)
    assert (type(error), error.reason) == (Ambiguous, "unreadable_answer")


@pytest.mark.parametrize("status", ["delivery_failed", "expired"])
def test_a_message_that_is_created_and_has_failed_is_no_acceptance(bird: AnsweringServer, status: str) -> None:
    bird.answer(201, {**ACCEPTED, "recipients": {"items": [{**RECIPIENT, "status": status}]}})
    error = failure(bird)
    assert (type(error), error.reason) == (Ambiguous, f"message_{status}")


@pytest.mark.parametrize("recipients", [None, [], {}, {"items": None}, {"items": []}, {"items": [{"status": 5}]}])
def test_a_status_that_is_no_text_is_left_out(bird: AnsweringServer, recipients: object) -> None:
    bird.answer(201, {**ACCEPTED, "recipients": recipients})
    assert send(bird).result == {"status": None}
