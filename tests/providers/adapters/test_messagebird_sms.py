"""Answers as MessageBird documents them; what is asked is compared with its own library in test_sms_wire.py."""

import hashlib
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from messagebird.error import ValidationError
from messagebird.request_validator import RequestValidator

from integrationhub.core import catalogue
from integrationhub.core.errors import InvalidRequest
from providers import registry
from providers.adapter import Receipt
from providers.callbacks import InboundEvent, Kind, Webhook
from providers.errors import Ambiguous, InvalidSignature, Next, ProviderError, Stop
from tests.providers.answering import AnsweringServer, call
from tests.providers.hooks import ADDRESS, hook

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


# --- What became of a message ---

SIGNING_KEY = "36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb"
# Signed by MessageBird, at noon in Amsterdam on 5 July 2021, for a minute; with the others of their libraries' tests:
# https://github.com/messagebird/go-rest-api/blob/master/signature_jwt/testdata/reference.json
NOON = 1625479200
WITH_BODY = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJ"
    "qdGkiOiI5M2U1NTAwNi1hMGU4LTQ1MjYtYTE5MC1mYTVmZjAwZWExMTYiLCJ1cmxfaGFzaCI6IjQxZjA1ZjBkZGQwYTIyYWIyMDlhYzQ2ZjQ3YzQ1"
    "NzJkOWNlZmEyNTdlZDc0YjI0MDA0YmFlNzUzZWNlNmMyNjAiLCJwYXlsb2FkX2hhc2giOiJkZmZkNjAyMWJiMmJkNWIwYWY2NzYyOTA4MDllYzNhN"
    "TMxOTFkZDgxYzdmNzBhNGIyODY4OGEzNjIxODI5ODZmIn0._H--TOuYFLpeEH39-rg5E3IHVkjHozBcaKVWPRC5m9I"
)
WITHOUT_BODY = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJ"
    "qdGkiOiJjOTQ2YWY3Ny1lMTgyLTRlYWEtYjJmZi0xYTU0NWI1ZTk5MWEiLCJ1cmxfaGFzaCI6IjQxZjA1ZjBkZGQwYTIyYWIyMDlhYzQ2ZjQ3YzQ1"
    "NzJkOWNlZmEyNTdlZDc0YjI0MDA0YmFlNzUzZWNlNmMyNjAifQ.huo2ou6JDoDc7sV25d75UMWeYhBeavQlLsqIibSZuac"
)
SIGNED_URL = "https://example.com/path?bar=1&foo=2"


def refusal(given: Webhook, key: str = SIGNING_KEY) -> str:
    """Why it is refused; empty where it is believed."""
    try:
        registry.instance("messagebird_sms").verify_webhook(given, {"signing_key": key} if key else {})
    except InvalidSignature as error:
        return error.reason
    return ""


def signed(token: str, body: bytes = b"", url: str = SIGNED_URL, method: str = "GET") -> Webhook:
    return hook(body, method=method, url=url, MessageBird_Signature_JWT=token)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (signed(WITH_BODY, b"Hello, World!", method="POST"), ""),
        (signed(WITHOUT_BODY), ""),
        (signed(WITH_BODY, b"Hello, world!", method="POST"), "wrong_signature"),
        (signed(WITH_BODY), "wrong_signature"),
        (signed(WITHOUT_BODY, b"Hello, World!"), "wrong_signature"),
        (signed(WITHOUT_BODY, url="https://example.com/path?foo=2&bar=1"), "wrong_signature"),
        (signed(WITHOUT_BODY, url="https://example.com/"), "wrong_signature"),
        (signed(WITHOUT_BODY[:-4] + "AAAA"), "wrong_signature"),
        (signed(WITHOUT_BODY.rpartition(".")[0] + "."), "wrong_signature"),
    ],
)
def test_what_messagebird_itself_has_signed_is_believed_and_nothing_else(
    given: Webhook, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON + 30.0)
    assert refusal(given) == reason
    assert refusal(given, "0" * 64) == "wrong_signature"
    assert refusal(given, "") == "no_secret"


@pytest.mark.parametrize(("seconds", "reason"), [(-240, ""), (-241, "too_old"), (300, ""), (301, "too_old")])
def test_a_report_is_believed_for_some_minutes(seconds: int, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(NOON + seconds))
    assert refusal(signed(WITHOUT_BODY)) == reason


def claims(**over: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {
        "iss": "MessageBird",
        "nbf": now,
        "exp": now + 60,
        "url_hash": hashlib.sha256(SIGNED_URL.encode()).hexdigest(),
    }
    return {name: value for name, value in {**usual, **over}.items() if value is not None}


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"iss": "Messagebird"},
        {"iss": None},
        {"nbf": None},
        {"exp": None},
        {"url_hash": "0" * 64},
        {"payload_hash": "0" * 64},
        {"nbf": 0, "exp": 1},
        {"nbf": 1 << 32, "exp": 1 << 33},
    ],
    ids=repr,
)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_their_own_library_judges_alike(over: dict[str, Any], algorithm: str) -> None:
    token = jwt.encode(claims(**over), SIGNING_KEY, algorithm)
    try:
        RequestValidator(SIGNING_KEY).validate_signature(token, SIGNED_URL, b"")
        theirs = True
    except ValidationError:
        theirs = False
    assert (refusal(signed(token)) == "") is theirs


def test_a_token_of_another_kind_of_key_is_none() -> None:
    assert refusal(signed(jwt.encode(claims(), None, algorithm="none"))) == "wrong_signature"


# https://developers.messagebird.com/api/sms-messaging/#handle-a-status-report
REPORT = {
    "id": "e8077d803532c0b5937c639b60216938",
    "reference": "order-1",
    "recipient": "14155552671",
    "status": "delivered",
    "statusReason": "successfully delivered",
    "statusErrorCode": "",
    "statusDatetime": "2026-09-01T10:00:05+00:00",
}


def reported(is_quoted: bool = True, **over: str) -> list[InboundEvent]:
    told = {**REPORT, **over, "attempt": "01977f1e-7c3a-7b52-9d40-5e0f3a6c2b11"}
    query = urlencode(told) if is_quoted else "&".join(f"{name}={value}" for name, value in told.items())
    return registry.instance("messagebird_sms").parse_webhook(hook(method="GET", url=f"{ADDRESS}?{query}"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("scheduled", Kind.ACCEPTED),
        ("sent", Kind.SENT),
        ("buffered", Kind.DEFERRED),
        ("delivered", Kind.DELIVERED),
        ("expired", Kind.FAILED),
        ("delivery_failed", Kind.FAILED),
    ],
)
def test_each_status_is_told_in_the_hubs_words(status: str, kind: Kind) -> None:
    [event] = reported(status=status)
    assert (event.kind, event.reference, event.key) == (kind, REPORT["id"], f"{REPORT['id']} {status}")
    assert event.reason == (f"message_{status}" if kind is Kind.FAILED else "")
    assert event.payload == {**REPORT, "status": status}


@pytest.mark.parametrize("is_quoted", [True, False])
def test_a_failure_says_when_and_why(is_quoted: bool) -> None:
    [event] = reported(is_quoted, status="delivery_failed", statusErrorCode="104")
    assert (event.reason, event.code) == ("messagebird_104", "104")
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-09-01T10:00:05+00:00"


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-09-01T10:00:05"])
def test_a_time_that_is_none_is_left_out(moment: str) -> None:
    [event] = reported(statusDatetime=moment)
    assert event.occurred_at is None


def test_a_status_without_a_word_of_ours_is_left_out() -> None:
    assert reported(status="something_new") == []


def test_a_message_reports_to_the_installations_address_by_its_attempt(bird: AnsweringServer) -> None:
    config = {"from": "IntegrHub", "callback_url": ADDRESS}
    message = asked(bird, config=config)
    registry.instance("messagebird_sms").execute(message)
    send(bird, config=config, reference="order-1")
    first, second = (one.json() for one in bird.asked)
    assert first["reportUrl"] == f"{ADDRESS}?attempt={message.attempt_id}"
    assert (first["reference"], second["reference"]) == (str(message.attempt_id), "order-1")


def status(server: AnsweringServer, reference: str = "e8077d803532c0b5937c639b60216938") -> InboundEvent | None:
    return registry.instance("messagebird_sms").status(asked(server), reference)


def test_a_message_can_be_asked_about(bird: AnsweringServer) -> None:
    bird.answer(200, {**ACCEPTED, "recipients": {"items": [{**RECIPIENT, "status": "expired", "statusErrorCode": 5}]}})
    event = status(bird)
    assert event is not None
    assert (event.kind, event.reason, event.code) == (Kind.FAILED, "messagebird_5", "5")
    assert event.key == reported(status="expired")[0].key, "the report says the same thing"
    bird.answer(404, {"errors": [{"code": 20, "description": "message not found", "parameter": None}]})
    assert status(bird) is None
    assert bird.asked[1].path == "/messages/e8077d803532c0b5937c639b60216938"


@pytest.mark.parametrize("said", [{"id": "another"}, {"recipients": None}, {"recipients": {"items": [{"status": []}]}}])
def test_a_message_that_cannot_be_read_is_ambiguous(bird: AnsweringServer, said: dict[str, Any]) -> None:
    bird.answer(200, {**ACCEPTED, **said})
    with pytest.raises(Ambiguous):
        status(bird)


def test_a_reference_is_one_part_of_the_address(bird: AnsweringServer) -> None:
    bird.answer(404, {})
    with pytest.raises(Stop):
        status(bird, "../balance?x=1")
    assert bird.asked[0].path == "/messages/..%2Fbalance%3Fx%3D1"
