"""`POST /providers/{key}/test`: a real call to a real server, and the provider's own words about it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from credentials.models import Credential
from integrationhub.core.logs import JSONLine
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.models import Attempt, Execution
from providers.adapter import Adapter
from providers.errors import Next
from providers.models import Provider
from tests.make import Api, another_tenant, keyed, sms
from tests.providers.carriers import Asked, CarrierServer, Told, TwilioServer, VonageServer

SVC = "ERR_INTEGRATION_HUB_SVC_"
PATH = "/providers/twilio_sms/test"


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        Provider.objects.filter(provider_key="twilio_sms").update(base_url=server.base_url)
        yield server
        assert server.faults == []


@pytest.fixture
def bound(api: Api, twilio: TwilioServer) -> Api:
    return bind(api, twilio)


def bind(api: Api, carrier: CarrierServer, **over: Any) -> Api:
    body = {"provider_key": carrier.key, "credentials": carrier.credentials, "verify": False}
    assert api.post("/credentials/bind", {**body, **over}).status_code == 201
    return api


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"].removeprefix(SVC)


def test_a_good_credential_is_accepted_by_the_provider_itself(bound: Api, twilio: TwilioServer) -> None:
    answer = bound.as_role("organizer").post(PATH)
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("latency_ms") >= 0
    assert body == {
        "provider_key": "twilio_sms",
        "ok": True,
        "verified": True,
        "reason": None,
        "message": "Twilio accepted these credentials.",
        "upstream_status": None,
    }
    [asked] = twilio.asked
    assert asked.path == f"/2010-04-01/Accounts/{twilio.account_sid}.json"
    assert asked.headers["authorization"].startswith("Basic ")


def test_each_carrier_is_asked_in_its_own_way(api: Api) -> None:
    with VonageServer() as vonage:
        Provider.objects.filter(provider_key="vonage_sms").update(base_url=vonage.base_url)
        assert bind(api, vonage).post("/providers/vonage_sms/test").json()["verified"] is True
        assert [asked.path for asked in vonage.asked] == ["/account/get-balance"]


def test_a_refusal_comes_in_the_providers_words(api: Api, twilio: TwilioServer) -> None:
    wrong = {"account_sid": twilio.account_sid, "auth_token": "a-token-that-is-wrong-0001"}
    body = bind(api, twilio, credentials=wrong).post(PATH).json()
    assert (body["ok"], body["verified"], body["upstream_status"]) == (False, False, 401)
    assert "Authenticate" in body["message"]


def test_words_that_repeat_the_secret_are_told_without_it(bound: Api, twilio: TwilioServer) -> None:
    twilio.answer = lambda _: Told(403, {"code": 20003, "message": f"No such token: {twilio.auth_token}"})
    answer = bound.post(PATH)
    assert "No such token: [hidden]" in answer.json()["message"]
    assert twilio.auth_token not in answer.content.decode()


def test_the_secret_is_taken_out_of_a_careless_adapters_words_too(
    bound: Api, twilio: TwilioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(self: Adapter, call: Any) -> bool:
        raise Next(f"{call.secrets['auth_token']} is wrong", reason="upstream_401", upstream_status=401)

    monkeypatch.setattr("providers.adapters.twilio_sms.TwilioSms.check", refuses)
    assert bound.post(PATH).json()["message"] == "[hidden] is wrong"


def test_a_provider_that_is_not_there_says_so_and_how(bound: Api, twilio: TwilioServer) -> None:
    Provider.objects.filter(provider_key="twilio_sms").update(base_url="http://127.0.0.1:9")
    body = bound.post(PATH).json()
    assert (body["ok"], body["verified"], body["reason"], body["upstream_status"]) == (False, False, "refused", None)
    assert "cannot be reached" in body["message"]


def test_what_nobody_could_ask_is_no_success(api: Api) -> None:
    body = api.post("/providers/sandbox_primary/test").json()
    assert (body["ok"], body["verified"]) == (None, "not_supported")
    assert "cannot be tested" in body["message"]


@pytest.mark.parametrize("method", ["check", "execute"])
def test_an_adapter_that_breaks_tells_no_secret_to_the_caller_or_the_log(
    bound: Api, twilio: TwilioServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    def breaks(self: Adapter, call: Any) -> bool:
        raise RuntimeError(f"no such key {call.secrets['auth_token']!r}")

    monkeypatch.setattr(f"providers.adapters.twilio_sms.TwilioSms.{method}", breaks)
    if method == "check":
        answer = bound.post(PATH)
        assert (answer.json()["ok"], answer.json()["reason"]) == (False, "adapter_error")
    else:
        config = {"config": twilio.config}
        assert bound.post("/marketplace/integrations/twilio_sms/install", config).status_code == 201
        answer = bound.post("/execute", sms("+14155552671"))
        assert answer.status_code == 503
    lines = [JSONLine().format(record) for record in caplog.records]
    assert any("no such key" in line and "RuntimeError" in line and "in breaks" in line for line in lines)
    assert not any(twilio.auth_token in text for text in (answer.content.decode(), *lines))


# --- What stands in the way ---


def test_a_user_may_not_spend_the_tenants_credential(bound: Api, twilio: TwilioServer) -> None:
    assert code_of(bound.as_role("user").post(PATH)) == (403, "ERR_RBAC_FORBIDDEN")
    assert twilio.hits == 0


def test_without_a_credential_there_is_nothing_to_ask_with(api: Api, twilio: TwilioServer) -> None:
    assert code_of(api.post(PATH)) == (404, "CREDENTIAL_NOT_FOUND")
    assert twilio.hits == 0


def test_another_tenants_credential_is_none(bound: Api, twilio: TwilioServer) -> None:
    assert code_of(another_tenant().post(PATH)) == (404, "CREDENTIAL_NOT_FOUND")
    assert twilio.hits == 0


def test_an_expired_credential_is_not_shown_to_anybody(bound: Api, tenant: UUID, twilio: TwilioServer) -> None:
    with tenant_scope(tenant):
        Credential.objects.for_tenant(tenant).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert code_of(bound.post(PATH)) == (400, "CREDENTIAL_EXPIRED")
    assert twilio.hits == 0


def test_a_provider_that_is_none_is_not_found(api: Api) -> None:
    assert code_of(api.post("/providers/nobody_sms/test")) == (404, "PROVIDER_NOT_FOUND")


def test_a_planned_provider_has_no_adapter_to_ask(api: Api) -> None:
    Provider.objects.create(provider_key="acme_sms", display_name="Acme", category="messaging")
    answer = api.post("/providers/acme_sms/test")
    assert code_of(answer) == (404, "ADAPTER_NOT_FOUND")
    assert "twilio_sms" in answer.json()["details"]["availableAdapters"]


# --- What it leaves behind ---


def test_the_same_key_asks_once(bound: Api, twilio: TwilioServer) -> None:
    request = keyed()
    first, second = (bound.post(PATH, **request) for _ in range(2))
    assert first.content == second.content
    assert second["Idempotent-Replayed"] == "true"
    assert twilio.hits == 1


def test_it_is_no_attempt_and_opens_no_circuit(bound: Api, twilio: TwilioServer) -> None:
    twilio.answer = lambda _: Told(503)
    for _ in range(6):
        bound.post(PATH)
    assert twilio.hits == 6
    assert not Attempt.objects.using("system").exists()
    assert not Execution.objects.using("system").exists()
    assert bound.get("/providers/twilio_sms/health").json()["circuit"]["tenant"]["state"] == "closed"


def test_a_refused_credential_is_failing_until_it_is_accepted(bound: Api, twilio: TwilioServer) -> None:
    twilio.answer = lambda _: Told(401, {"code": 20003, "message": "Authenticate"})
    bound.post(PATH)
    [row] = bound.get("/credentials").json()["data"]
    assert (row["verified"], row["failing_since"] is None) == (False, False)
    twilio.answer = None
    bound.post(PATH)
    [row] = bound.get("/credentials").json()["data"]
    assert (row["verified"], row["failing_since"]) == (True, None)


def test_no_connection_to_the_database_is_held_while_the_provider_thinks(bound: Api, twilio: TwilioServer) -> None:
    held: list[int] = []

    def count(_: Asked) -> None:
        stats = connections["default"].pool.get_stats()  # type: ignore[attr-defined]
        held.append(stats["pool_size"] - stats["pool_available"])

    twilio.answer = count  # type: ignore[assignment]
    assert bound.post(PATH, **keyed()).json()["ok"] is True
    assert held == [0]


def test_a_provider_that_never_answers_is_given_up_in_time(
    bound: Api, twilio: TwilioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credentials.checking.CHECK_SECONDS", 2.0)
    twilio.answer = lambda asked: Told(200, {}, delay=6)
    body = bound.post(PATH).json()
    assert (body["ok"], body["reason"]) == (False, "read_timeout")
    assert 1900 <= body["latency_ms"] < 5500
