"""One deadline over the chain, and what a live provider's behaviour makes of an execution."""

import time
from uuid import UUID

import pytest
from django.db import connection

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import executor
from integrationhub.execution.models import Attempt, Execution
from tests.execution.conftest import ProviderServer
from tests.make import Api, sms
from tests.providers import conformance

NUMBER = "+14155552671"


def test_a_delivery_carries_the_providers_reference_and_our_request_id(live: Api, server: ProviderServer) -> None:
    answer = live.post("/execute", sms(NUMBER), headers={"x-request-id": "chain-test-0001"})
    assert (answer.json()["reference"], answer.json()["mode"]) == ("m-1", "live")
    assert server.headers[0]["x-request-id"] == "chain-test-0001"


def test_a_silent_provider_is_left_at_the_deadline(live: Api, server: ProviderServer) -> None:
    server.delay = 30
    begun = time.monotonic()
    answer = live.post("/execute", sms(NUMBER, timeout_ms=2000))
    assert time.monotonic() - begun < 7, "a call by itself has eight seconds"
    assert (answer.status_code, answer.json()["details"]["reason"]) == (503, "outcome_unknown")
    assert len(server.received) == 1


def test_the_attempt_is_committed_before_the_provider_is_called(
    live: Api, tenant: UUID, server: ProviderServer
) -> None:
    seen: list[tuple[str, str]] = []

    class Witness(list[dict[str, str]]):
        def append(self, body: dict[str, str]) -> None:
            with tenant_scope(tenant):
                seen.append((Execution.objects.get().status, Attempt.objects.get().outcome))
            connection.close()  # The server's thread has one of its own.
            super().append(body)

    server.received = Witness()
    assert live.post("/execute", sms(NUMBER)).status_code == 200
    assert seen == [("running", "started")]


def test_a_refusal_without_a_code_of_its_own_is_invalid_request(live: Api, server: ProviderServer) -> None:
    server.status = 400
    answer = live.post("/execute", sms(NUMBER))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")
    assert (body["details"]["reason"], body["details"]["upstreamStatus"]) == ("refused_by_provider", 400)
    assert body["details"]["providerKey"] == "loopback_sms"


def test_a_provider_that_is_down_is_reported_unreachable(api: Api) -> None:
    with conformance.refusing() as nobody:
        installed = {"config": {"url": nobody}, "priority": 10}
        assert api.post("/marketplace/integrations/loopback_sms/install", installed).status_code == 201
        body = api.post("/execute", sms(NUMBER)).json()
    assert body["code"] == "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED"
    assert body["details"]["errors"][0]["reason"] == "refused"


def test_no_new_attempt_begins_when_the_time_is_nearly_over(
    live: Api, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "LEAST_SECONDS", 5.0)
    server.status = 503
    body = live.post("/execute", sms(NUMBER, timeout_ms=5000)).json()
    assert len(server.received) == 1
    assert len(body["details"]["errors"]) == 1
