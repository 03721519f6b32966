"""Wire and answers as Twilio documents them; the answers are in tests/providers/answers/twilio_sms."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from integrationhub.core import catalogue
from integrationhub.core.errors import InvalidRequest
from providers import registry
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from tests.providers.adapters.sending import call_to, check, send
from tests.providers.answers import recorded
from tests.providers.carriers import Told, TwilioServer

SERVICE = "MG" + "a" * 32
KEY = {
    "account_sid": TwilioServer.account_sid,
    "api_key_sid": "SK" + "2" * 32,
    "api_key_secret": "a-secret-of-32-letters-0123456789",
}


def test_the_request_is_on_the_wire_as_documented(twilio: TwilioServer) -> None:
    send(twilio, text="Tea & cake: 5 € + ü", ttl_seconds=60)
    [asked] = twilio.asked
    assert (asked.method, asked.path) == ("POST", f"/2010-04-01/Accounts/{twilio.account_sid}/Messages.json")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    login = base64.b64encode(f"{twilio.account_sid}:{twilio.auth_token}".encode()).decode()
    assert asked.headers["authorization"] == f"Basic {login}"
    assert asked.body == (
        b"From=%2B15005550006&To=%2B14155552671&Body=Tea+%26+cake%3A+5+%E2%82%AC+%2B+%C3%BC&ValidityPeriod=60"
    )
    assert twilio.faults == []


def test_an_accepted_message_returns_twilios_id(twilio: TwilioServer) -> None:
    receipt = send(twilio)
    assert receipt.reference.startswith("SM")
    assert receipt.result == {"status": "queued", "segments": 1}
    assert twilio.accepted == {"Your code is 4921.": 1}


def test_the_documented_acceptance_is_read(twilio: TwilioServer) -> None:
    twilio.answer = lambda _: recorded("twilio_sms", "accepted")
    receipt = send(twilio)
    assert receipt.reference == "SM1f0e8ae6ade43cb3c0ce4525424e404f"
    assert receipt.result == {"status": "accepted", "segments": None}


@pytest.mark.parametrize(
    ("payload", "config", "sender"),
    [
        ({}, {"from": "Acme"}, {"From": "Acme"}),
        ({"from": "+15005550001"}, {"from": "Acme"}, {"From": "+15005550001"}),
        ({}, {"messaging_service_sid": SERVICE}, {"MessagingServiceSid": SERVICE}),
        ({"from": "Bob"}, {"messaging_service_sid": SERVICE}, {"From": "Bob"}),
        ({}, {"from": "Acme", "messaging_service_sid": SERVICE}, {"From": "Acme"}),
    ],
)
def test_the_payloads_sender_comes_first(
    twilio: TwilioServer, payload: dict[str, str], config: dict[str, str], sender: dict[str, str]
) -> None:
    send(twilio, config=config, **payload)
    form = twilio.asked[0].form
    assert {name: form[name] for name in form.keys() & {"From", "MessagingServiceSid"}} == sender
    assert twilio.faults == []


def test_an_operators_address_may_have_a_path_and_a_slash(twilio: TwilioServer) -> None:
    proxied = replace(call_to(twilio), base_url=f"{twilio.base_url}/proxy/twilio/")
    with pytest.raises(Stop):
        registry.instance("twilio_sms").execute(proxied)
    assert twilio.asked[0].path == f"/proxy/twilio/2010-04-01/Accounts/{twilio.account_sid}/Messages.json"


def test_without_a_sender_nothing_is_begun(twilio: TwilioServer) -> None:
    with pytest.raises(InvalidRequest) as caught:
        registry.instance("twilio_sms").preflight(call_to(twilio, config={}))
    assert caught.value.details["fields"][0]["field"] == "payload.from"
    with pytest.raises(Next, match="no sender"):
        send(twilio, config={})
    assert twilio.hits == 0


@pytest.mark.parametrize(("asked", "sent"), [(1, "1"), (36_000, "36000"), (2_419_200, "36000")])
def test_a_message_waits_ten_hours_at_most(twilio: TwilioServer, asked: int, sent: str) -> None:
    send(twilio, ttl_seconds=asked)
    assert twilio.asked[0].form["ValidityPeriod"] == sent


def test_an_api_key_stands_in_for_the_token(twilio: TwilioServer) -> None:
    twilio.answer = lambda _: recorded("twilio_sms", "accepted")
    send(twilio, secrets=KEY)
    login = base64.b64encode(f"{KEY['api_key_sid']}:{KEY['api_key_secret']}".encode()).decode()
    assert twilio.asked[0].headers["authorization"] == f"Basic {login}"
    assert twilio.account_sid in twilio.asked[0].path


def test_a_login_of_which_half_an_api_key_was_kept_too_sends_by_its_token(twilio: TwilioServer) -> None:
    secrets = {**twilio.credentials, "api_key_sid": KEY["api_key_sid"]}
    assert send(twilio, secrets=secrets).reference.startswith("SM")
    assert check(twilio, secrets=secrets) is True
    assert twilio.asked[1].path.endswith(f"{twilio.account_sid}.json")


@pytest.mark.parametrize(
    ("case", "kind", "reason"),
    [
        ("20003", Next, "twilio_20003"),
        ("20429", Retry, "twilio_20429"),
        ("21211", Stop, "twilio_21211"),
        ("21408", Next, "twilio_21408"),
        ("21606", Next, "twilio_21606"),
        ("21608", Next, "twilio_21608"),
        ("21610", Stop, "twilio_21610"),
        ("21611", Next, "twilio_21611"),
        ("21612", Next, "twilio_21612"),
        ("21614", Stop, "twilio_21614"),
        ("20404", Next, "twilio_20404"),
        ("21659", Next, "twilio_21659"),
        ("21660", Next, "twilio_21660"),
        ("21703", Next, "twilio_21703"),
        ("63038", Next, "twilio_63038"),
        ("unknown", Stop, "twilio_29999"),
        ("500", Ambiguous, "upstream_500"),
        ("503", Retry, "upstream_503"),
    ],
)
def test_every_code_has_its_class(twilio: TwilioServer, case: str, kind: type[ProviderError], reason: str) -> None:
    twilio.answer = lambda _: recorded("twilio_sms", case)
    with pytest.raises(ProviderError) as caught:
        send(twilio)
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert caught.value.upstream_status == recorded("twilio_sms", case).status
    assert twilio.auth_token not in str(caught.value)
    assert twilio.account_sid not in str(caught.value)


def test_an_invalid_number_is_the_callers_to_know(twilio: TwilioServer) -> None:
    twilio.answer = lambda _: recorded("twilio_sms", "21211")
    with pytest.raises(Stop) as caught:
        send(twilio)
    assert caught.value.entry is catalogue.INVALID_PHONE


def test_only_a_refused_login_is_the_credentials_fault(twilio: TwilioServer) -> None:
    for case, is_refused in (("20003", True), ("21408", False), ("21606", False)):
        twilio.answer = lambda _, case=case: recorded("twilio_sms", case)
        with pytest.raises(Next) as caught:
            send(twilio)
        assert caught.value.credential_refused is is_refused


def test_an_account_at_its_daily_limit_is_left_alone_for_long(twilio: TwilioServer) -> None:
    twilio.answer = lambda _: recorded("twilio_sms", "63038")
    with pytest.raises(Next) as caught:
        send(twilio)
    assert caught.value.retry_after == 300


def test_too_many_requests_tells_how_long_to_wait(twilio: TwilioServer) -> None:
    twilio.answer = lambda _: recorded("twilio_sms", "20429")
    with pytest.raises(Retry) as caught:
        send(twilio)
    assert caught.value.retry_after == 2


@pytest.mark.parametrize("segments", [None, "0", "", -2, "two", "9" * 5000, {}])
def test_a_number_of_segments_that_is_none_is_left_out(twilio: TwilioServer, segments: object) -> None:
    twilio.answer = lambda _: Told(201, {"sid": "SM1", "status": "queued", "num_segments": segments})
    assert send(twilio).result == {"status": "queued", "segments": None}


@pytest.mark.parametrize("sid", [None, "", 5, ["SM1"]])
def test_an_acceptance_without_an_id_is_ambiguous(twilio: TwilioServer, sid: object) -> None:
    twilio.answer = lambda _: Told(201, {"sid": sid, "status": "queued"})
    with pytest.raises(Ambiguous) as caught:
        send(twilio)
    assert caught.value.reason == "unreadable_answer"


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        ({"status": "failed", "error_code": 21610}, Stop, "twilio_21610"),
        ({"status": "failed", "error_code": 21611}, Next, "twilio_21611"),
        ({"status": "failed", "error_code": 39999}, Next, "twilio_39999"),
        ({"status": "failed", "error_code": None}, Next, "message_failed"),
        ({"status": "undelivered", "error_code": 30007}, Ambiguous, "twilio_30007"),
        ({"status": "undelivered"}, Ambiguous, "message_undelivered"),
        ({"status": "canceled"}, Ambiguous, "message_canceled"),
        ({"status": "queued", "error_code": 21610}, Ambiguous, "twilio_21610"),
        ({"status": "queued", "error_code": "30007"}, Ambiguous, "unreadable_answer"),
    ],
)
def test_a_message_that_is_created_and_has_failed_is_no_acceptance(
    twilio: TwilioServer, said: dict[str, Any], kind: type[ProviderError], reason: str
) -> None:
    twilio.answer = lambda _: Told(201, {"sid": "SM1", "num_segments": "1", "error_message": "No luck", **said})
    with pytest.raises(ProviderError, match="No luck") as caught:
        send(twilio)
    assert (type(caught.value), caught.value.reason, caught.value.credential_refused) == (kind, reason, False)


@pytest.mark.parametrize("status", [None, 5, {"no": "text"}, ["failed"]])
def test_a_status_that_is_no_text_is_left_out(twilio: TwilioServer, status: object) -> None:
    twilio.answer = lambda _: Told(201, {"sid": "SM1", "num_segments": "1", "status": status})
    assert send(twilio).result == {"status": None, "segments": 1}


@pytest.mark.parametrize("code", ["21610", None, 21610.0, True, [21610], {}])
def test_a_code_that_is_no_number_leaves_the_status_to_speak(twilio: TwilioServer, code: object) -> None:
    twilio.answer = lambda _: Told(400, {"code": code, "message": {"no": "text"}})
    with pytest.raises(Stop) as caught:
        send(twilio)
    assert caught.value.reason == "upstream_400"


def test_a_credential_is_checked_at_the_account(twilio: TwilioServer) -> None:
    assert check(twilio) is True
    assert twilio.asked[0].path == f"/2010-04-01/Accounts/{twilio.account_sid}.json"
    with pytest.raises(Next) as caught:
        check(twilio, secrets={**twilio.credentials, "auth_token": "f" * 32})
    assert (caught.value.reason, caught.value.credential_refused) == ("twilio_20003", True)
    assert twilio.accepted.total() == 0
    assert twilio.faults == []


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_an_account_that_is_not_active_is_no_login(twilio: TwilioServer, status: str) -> None:
    twilio.answer = lambda _: Told(200, {"sid": twilio.account_sid, "status": status})
    with pytest.raises(Next) as caught:
        check(twilio)
    assert (caught.value.reason, caught.value.credential_refused) == (f"account_{status}", True)


@pytest.mark.parametrize(
    "said",
    [{"sid": "AC" + "2" * 32, "status": "active"}, {"status": "active"}, {"sid": TwilioServer.account_sid},
     {"sid": TwilioServer.account_sid, "status": ["active"]}],
)  # fmt: skip
def test_an_account_that_was_not_asked_for_proves_no_login(twilio: TwilioServer, said: dict[str, Any]) -> None:
    twilio.answer = lambda _: Told(200, said)
    with pytest.raises(Ambiguous) as caught:
        check(twilio)
    assert caught.value.reason == "unreadable_answer"


@pytest.mark.parametrize("messages", [None, {}, "none"])
def test_messages_that_are_no_list_prove_no_api_key(twilio: TwilioServer, messages: object) -> None:
    twilio.answer = lambda _: Told(200, {"messages": messages})
    with pytest.raises(Ambiguous):
        check(twilio, secrets=KEY)


def test_an_api_key_is_checked_where_a_standard_one_may_read(twilio: TwilioServer) -> None:
    twilio.answer = lambda _: Told(200, {"messages": []})
    assert check(twilio, secrets=KEY) is True
    assert twilio.asked[0].path == f"/2010-04-01/Accounts/{twilio.account_sid}/Messages.json?PageSize=1"
