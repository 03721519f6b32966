"""A stored credential is asked about at its owner's word, and what the provider says is noted."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from providers.models import Provider
from tests.credentials.adapters import BREAKING
from tests.credentials.test_rollback import change, kinds
from tests.credentials.twilio import NEW, OLD, ManyTokensTwilio, bind, kept, rotate, send
from tests.make import Api, keyed
from tests.providers.carriers import CarrierServer, Told, TwilioServer, VonageServer

BIND_FAILED = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_BIND_FAILED"
NOT_FOUND = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND"
EXPIRED = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_EXPIRED"


def verify(api: Api, credential_id: str, **kwargs: Any) -> Any:
    return api.post(f"/credentials/{credential_id}/verify", **kwargs)


def told(answer: Any) -> tuple[int, Any, str | None, int | None]:
    body = answer.json()
    return answer.status_code, body["verified"], body["upstream_reason"], body["upstream_status"]


def test_a_provider_that_accepts_says_so(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    answer = verify(api, first)
    assert told(answer) == (200, True, None, None)
    assert OLD not in answer.content.decode()
    assert twilio.asked_with == {("GET", OLD): 2}


@pytest.mark.parametrize("carrier_type", [TwilioServer, VonageServer])
def test_what_was_not_checked_is_told_from_what_was_refused(api: Api, carrier_type: type[CarrierServer]) -> None:
    with carrier_type() as carrier:
        Provider.objects.filter(provider_key=carrier.key).update(base_url=carrier.base_url)
        name = list(carrier.credentials)[-1]
        wrong = {**carrier.credentials, name: "not-the-right-secret"}
        body = {"provider_key": carrier.key, "credentials": wrong, "verify": False}
        unchecked = api.post("/credentials/bind", body).json()
        assert (unchecked["verified"], unchecked["failing_since"]) == (False, None)
        asked = verify(api, unchecked["id"])
        assert told(asked)[:2] == (200, False)
        assert asked.json()["upstream_status"] == 401
        assert asked.json()["failing_since"]
        assert "not-the-right-secret" not in asked.content.decode()


def test_a_refusal_is_noted_and_told_once(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    twilio.known = set()
    answers = [verify(api, first) for _ in range(4)]
    assert {told(answer) for answer in answers} == {(200, False, "twilio_20003", 401)}
    assert kinds(api) == ["credential.failing"]
    row = api.get(f"/credentials/{first}").json()
    assert (row["verified"], bool(row["failing_since"])) == (False, True)


def test_a_refusal_at_its_owners_word_brings_no_version_back(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    second = rotate(api, first).json()["id"]
    twilio.known = {OLD}
    for _ in range(4):
        verify(api, second)
    assert kept(api) == [(1, "superseded", True), (2, "active", True)]


def test_a_provider_that_accepts_again_ends_the_failing(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    twilio.known, known = set(), twilio.known
    verify(api, first)
    twilio.known = known
    assert told(verify(api, first)) == (200, True, None, None)
    assert kinds(api) == ["credential.failing", "credential.recovered"]
    assert api.get(f"/credentials/{first}").json()["failing_since"] is None


def test_what_was_bound_unchecked_is_verified_now(api: Api, first: str) -> None:
    unchecked = bind(api, NEW, verify=False)
    assert told(verify(api, unchecked)) == (200, True, None, None)
    assert kinds(api) == []


def test_a_provider_that_cannot_be_reached_changes_nothing(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    twilio.answer = lambda _: Told(503)
    body = verify(api, first).json()
    assert (body["code"], body["retryable"]) == (BIND_FAILED, True)
    assert (body["details"]["reason"], body["details"]["upstreamReason"]) == ("verification_failed", "upstream_503")
    assert "nothing was changed" in body["message"]
    assert api.get(f"/credentials/{first}").json()["verified"] is True


def test_a_provider_that_nobody_can_ask_is_not_supported(api: Api) -> None:
    body = {"provider_key": "quiet_sms", "credentials": {"api_key": "k"}, "verify": False}
    bound = api.post("/credentials/bind", body).json()
    assert bound["verified"] is False
    assert told(verify(api, bound["id"])) == (200, "not_supported", None, None)
    assert api.get(f"/credentials/{bound['id']}").json()["verified"] == "not_supported"


def test_a_check_that_breaks_is_no_verdict(api: Api) -> None:
    secrets = {"account": "AC1", "auth_token": BREAKING}
    body = {"provider_key": "parcel_sms", "credentials": secrets, "verify": False}
    answer = verify(api, api.post("/credentials/bind", body).json()["id"])
    assert (answer.json()["code"], answer.json()["retryable"]) == (BIND_FAILED, False)
    assert BREAKING not in answer.content.decode()


def test_a_version_before_may_be_asked_about_before_it_comes_back(api: Api, first: str) -> None:
    rotate(api, first)
    assert told(verify(api, first)) == (200, True, None, None)


def test_an_expired_credential_is_not_asked_about(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    change(api, 1, expires_at=Now() - timedelta(seconds=1))
    answer = verify(api, first)
    assert (answer.status_code, answer.json()["code"], twilio.hits) == (400, EXPIRED, 1)
    assert send(api).json()["code"] == EXPIRED


def test_a_version_whose_secret_is_wiped_cannot_be_asked_about(api: Api, first: str) -> None:
    second = rotate(api, first).json()["id"]
    api.post(f"/credentials/{first}/rollback")
    answer = verify(api, second)
    assert (answer.status_code, answer.json()["code"], answer.json()["details"]["reason"]) == (404, NOT_FOUND, "wiped")


def test_one_idempotency_key_asks_once(api: Api, first: str, twilio: ManyTokensTwilio) -> None:
    key = keyed()
    assert {verify(api, first, **key).content for _ in range(2)} == {verify(api, first, **key).content}
    assert twilio.hits == 2


@pytest.mark.parametrize("deed", ["verify", "rotate", "rollback"])
def test_an_organizer_may_and_a_user_may_not(api: Api, first: str, deed: str) -> None:
    rotate(api, first)
    body = {"credentials": {"account_sid": TwilioServer.account_sid, "auth_token": NEW}} if deed == "rotate" else None
    statuses = [
        api.as_role(role).post(f"/credentials/{first}/{deed}", body).status_code for role in ("user", "organizer")
    ]
    assert statuses == [403, 201 if deed == "rotate" else 200]
