"""What a tenant sees of the two carriers: binding asks them, and a message goes through the one that takes it."""

from collections.abc import Iterator
from typing import Any

import pytest

from providers.models import Provider
from tests.make import Api
from tests.providers.adapters.sending import TO
from tests.providers.carriers import CarrierServer, Told, TwilioServer, VonageServer

MESSAGE = {"category": "messaging", "intent": "message.send.sms", "payload": {"to": TO, "text": "Hello"}}


def reach(carrier: CarrierServer) -> None:
    """As an operator does who has the provider at another address."""
    Provider.objects.filter(provider_key=carrier.key).update(base_url=carrier.base_url)


def bind(api: Api, carrier: CarrierServer, **secrets: str) -> Any:
    return api.post(
        "/credentials/bind", {"provider_key": carrier.key, "credentials": {**carrier.credentials, **secrets}}
    )


@pytest.fixture
def installed(api: Api, twilio: TwilioServer, vonage: VonageServer) -> Iterator[Api]:
    """Twilio first, Vonage second; in the end both have been asked as they document it."""
    for priority, carrier in enumerate((twilio, vonage)):
        reach(carrier)
        assert bind(api, carrier).status_code == 201
        body = {"config": carrier.config, "priority": priority}
        assert api.post(f"/marketplace/integrations/{carrier.key}/install", body).status_code == 201
    yield api
    assert (twilio.faults, vonage.faults) == ([], [])


def test_a_credential_is_verified_where_the_operator_says_the_provider_is(api: Api, carrier: CarrierServer) -> None:
    reach(carrier)
    answer = bind(api, carrier)
    assert (answer.status_code, answer.json()["verified"]) == (201, True)
    assert (carrier.hits, carrier.faults) == (1, [])


def test_a_credential_that_the_provider_refuses_is_not_stored(api: Api, carrier: CarrierServer) -> None:
    reach(carrier)
    name = list(carrier.credentials)[-1]
    answer = bind(api, carrier, **{name: "not-the-right-secret"})
    body = answer.json()
    assert (answer.status_code, body["retryable"]) == (400, False)
    assert (body["details"]["reason"], body["details"]["upstreamStatus"]) == ("verification_failed", 401)
    assert "not-the-right-secret" not in answer.content.decode()
    assert api.get("/credentials").json()["data"] == []


def test_a_provider_that_is_away_may_be_asked_again(api: Api, carrier: CarrierServer) -> None:
    reach(carrier)
    carrier.answer = lambda _: Told(503)
    body = bind(api, carrier).json()
    assert (body["retryable"], body["details"]["upstreamReason"]) == (True, "upstream_503")


@pytest.mark.parametrize("secrets", [{"account_sid": "AC1"}, {"account_sid": "SK" + "1" * 32}, {"auth_token": "short"}])
def test_a_login_that_cannot_be_one_is_not_asked_about(api: Api, twilio: TwilioServer, secrets: dict[str, str]) -> None:
    reach(twilio)
    answer = bind(api, twilio, **secrets)
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == [
        f"credentials.{name}" for name in secrets
    ]
    assert twilio.hits == 0


@pytest.mark.parametrize(
    ("secrets", "reason"),
    [
        ({"api_key_sid": "SK" + "1" * 32}, "too_many_alternatives"),
        ({"api_key_secret": "a-secret-of-some-length"}, "too_many_alternatives"),
        ({"api_key_sid": "SK" + "1" * 32, "api_key_secret": "a-secret-of-some-length"}, "too_many_alternatives"),
        ({"auth_token": None, "api_key_sid": "SK" + "1" * 32}, "required"),
        ({"auth_token": None, "api_key_secret": "a-secret-of-some-length"}, "required"),
    ],
)
def test_a_login_is_either_a_token_or_a_whole_api_key(
    api: Api, twilio: TwilioServer, secrets: dict[str, str | None], reason: str
) -> None:
    reach(twilio)
    given = {name: value for name, value in {**twilio.credentials, **secrets}.items() if value}
    answer = api.post("/credentials/bind", {"provider_key": twilio.key, "credentials": given})
    fault = {"field": "credentials", "expected": "exactly one of auth_token, api_key_sid and api_key_secret"}
    assert (answer.status_code, answer.json()["details"]["fields"]) == (400, [{**fault, "reason": reason}])
    assert twilio.hits == 0


def test_the_first_carrier_takes_the_message(installed: Api, twilio: TwilioServer, vonage: VonageServer) -> None:
    body = installed.post("/execute", MESSAGE).json()
    assert (body["status"], body["provider_key"], body["mode"]) == ("succeeded", "twilio_sms", "live")
    assert body["result"] == {"status": "queued", "segments": 1}
    assert (twilio.accepted, vonage.accepted) == ({"Hello": 1}, {})


def test_when_it_is_busy_the_second_does(installed: Api, twilio: TwilioServer, vonage: VonageServer) -> None:
    twilio.answer = lambda _: Told(503)
    body = installed.post("/execute", MESSAGE).json()
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "vonage_sms", True)
    assert (twilio.accepted, vonage.accepted) == ({}, {"Hello": 1})


def test_a_lost_answer_is_not_sent_again_by_the_other(
    installed: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    twilio.answer = lambda asked: Told(0, drops=True, text=asked.form["Body"])
    answer = installed.post("/execute", MESSAGE)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (503, "outcome_unknown")
    assert (twilio.accepted, vonage.accepted) == ({"Hello": 1}, {})


def test_a_recipient_who_opted_out_is_left_alone_by_both(
    installed: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    twilio.answer = lambda _: Told(400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient"})
    answer = installed.post("/execute", MESSAGE)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "refused_by_provider")
    assert "unsubscribed" in answer.json()["message"]
    assert vonage.hits == 1, "the check of its credential, and nothing more"


def test_an_invalid_number_is_answered_with_its_own_code(installed: Api, twilio: TwilioServer) -> None:
    twilio.answer = lambda _: Told(400, {"code": 21211, "message": "The 'To' number is not a valid phone number."})
    answer = installed.post("/execute", MESSAGE)
    assert (answer.status_code, answer.json()["code"]) == (400, "ERR_INTEGRATION_HUB_INVALID_PHONE")


def test_a_message_from_nobody_is_refused_by_its_field(installed: Api, twilio: TwilioServer) -> None:
    [row, _] = installed.get("/integrations/installed").json()["data"]
    assert installed.patch(f"/integrations/{row['id']}", {"config": {}}).status_code == 200
    answer = installed.post("/execute", MESSAGE)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "invalid_fields")
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == ["payload.from"]
    assert installed.get("/executions").json()["data"] == []
    assert twilio.accepted.total() == 0
