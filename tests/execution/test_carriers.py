"""Two carriers, of which the first is unwell in different ways: what the tenant sees over several messages."""

from collections.abc import Iterator
from typing import Any

import pytest

from providers.models import Provider
from tests.make import Api, another_tenant, sms
from tests.providers.carriers import Told, TwilioServer, VonageServer

NUMBER = "+14155552671"


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        yield server
        assert server.faults == []


@pytest.fixture
def vonage() -> Iterator[VonageServer]:
    with VonageServer() as server:
        yield server
        assert server.faults == []


@pytest.fixture
def alone(api: Api, twilio: TwilioServer) -> Api:
    """A tenant with Twilio and nothing else."""
    return installed(api, twilio)


@pytest.fixture
def both(alone: Api, vonage: VonageServer) -> Api:
    """Twilio first, Vonage second."""
    return installed(alone, vonage)


def installed(api: Api, carrier: TwilioServer | VonageServer) -> Api:
    Provider.objects.filter(provider_key=carrier.key).update(base_url=carrier.base_url)
    bound = {"provider_key": carrier.key, "credentials": carrier.credentials, "verify": False}
    assert api.post("/credentials/bind", bound).status_code == 201
    body = {"config": carrier.config, "priority": 1 if carrier.key == "twilio_sms" else 2}
    assert api.post(f"/marketplace/integrations/{carrier.key}/install", body).status_code == 201
    return api


def busy(**headers: str) -> Any:
    return lambda _: Told(429, {"code": 20429, "message": "Too many requests"}, headers)


def test_a_carrier_that_asks_for_a_pause_is_left_alone_and_the_other_delivers(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    twilio.answer = busy(**{"Retry-After": "120"})
    answers = [both.post("/execute", sms(NUMBER)).json() for _ in range(3)]
    assert [body["provider_key"] for body in answers] == ["vonage_sms"] * 3
    assert twilio.hits == 1
    assert [body["fallback_used"] for body in answers] == [True, False, False]
    assert answers[1]["skipped"] == [{"provider_key": "twilio_sms", "reason": "cooling_down"}]


def test_the_pause_of_the_only_carrier_is_passed_on(alone: Api, twilio: TwilioServer) -> None:
    twilio.answer = busy(**{"Retry-After": "120"})
    first, second = (alone.post("/execute", sms(NUMBER)) for _ in range(2))
    assert (first.status_code, first["Retry-After"], first.json()["retryAfter"]) == (503, "120", 120)
    assert 110 <= int(second["Retry-After"]) <= 120
    assert second.json()["details"]["errors"][0]["reason"] == "cooling_down"
    assert second.json()["details"]["errors"][0]["retryable"] is True
    assert twilio.hits == 1


@pytest.mark.parametrize("said", ["999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_carrier_is_left_alone_for_more_than_five_minutes(alone: Api, twilio: TwilioServer, said: str) -> None:
    twilio.answer = busy(**{"Retry-After": said})
    assert alone.post("/execute", sms(NUMBER))["Retry-After"] == "300"


def test_a_short_pause_is_waited_for_within_the_deadline(alone: Api, twilio: TwilioServer) -> None:
    twilio.answer = lambda _: Told(503, headers={"Retry-After": "1"}) if twilio.hits == 1 else None
    body = alone.post("/execute", sms(NUMBER)).json()
    assert (body["status"], [attempt["outcome"] for attempt in body["attempts"]]) == (
        "succeeded",
        ["failed", "succeeded"],
    )
    assert body["duration_ms"] >= 1000


def test_repeats_at_one_carrier_stay_within_a_budget(alone: Api, twilio: TwilioServer) -> None:
    twilio.answer = lambda _: Told(429)
    for _ in range(5):
        alone.post("/execute", sms(NUMBER))
    # The circuit opens at five failures in a row; the budget lets three repeats through at most.
    assert twilio.hits <= 8


def test_an_account_out_of_money_is_left_alone_for_long(both: Api, twilio: TwilioServer) -> None:
    twilio.answer = lambda _: Told(402, {"message": "Payment required"})
    assert [both.post("/execute", sms(NUMBER)).json()["provider_key"] for _ in range(2)] == ["vonage_sms"] * 2
    assert twilio.hits == 1
    plan = both.post("/execute/plan", sms(NUMBER)).json()
    assert plan["skipped"] == [{"provider_key": "twilio_sms", "reason": "cooling_down"}]


def test_a_refused_key_is_told_although_the_other_carrier_delivers(both: Api, vonage: VonageServer) -> None:
    vonage.answer = lambda _: vonage.refused("4", "Bad Credentials")
    body = both.post("/execute", sms(NUMBER, providers=["vonage_sms", "twilio_sms"])).json()
    assert body["provider_key"] == "twilio_sms"
    failing = {row["provider_key"]: bool(row["failing_since"]) for row in both.get("/credentials").json()["data"]}
    assert failing == {"twilio_sms": False, "vonage_sms": True}


def test_a_tenant_without_a_sender_takes_the_carrier_from_nobody(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    other = installed(another_tenant(), twilio)
    [row] = [row for row in both.get("/integrations/installed").json()["data"] if row["provider_key"] == "twilio_sms"]
    both.patch(f"/integrations/{row['id']}", {"config": {}})
    vonage.answer = lambda _: vonage.refused("15", "Invalid sender")
    for _ in range(6):
        body = both.post("/execute", sms(NUMBER, providers=["vonage_sms", "twilio_sms"])).json()
        assert [error["reason"] for error in body["details"]["errors"]] == ["vonage_15", "sender_missing"]
    assert other.post("/execute", sms(NUMBER)).json()["provider_key"] == "twilio_sms"


def test_a_carrier_that_fails_every_other_time_costs_no_message(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    twilio.answer = lambda _: Told(503) if twilio.hits % 2 else None
    answers = [both.post("/execute", sms(NUMBER)) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200}
    assert (twilio.accepted + vonage.accepted).total() == 30
    skipped = [answer.json()["skipped"] for answer in answers]
    assert [{"provider_key": "twilio_sms", "reason": "circuit_open"}] in skipped
