"""Executions whose secrets a vault keeps, while it is there and while it hangs."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from credentials import binding, hashicorp_client
from integrationhub.execution import queueing
from integrationhub.execution.models import Execution
from marketplace import seeding
from tests.core.proxies import Proxy
from tests.credentials.openbao import OpenBao, a_new_process
from tests.make import LATER, Api, sms

pytestmark = pytest.mark.xdist_group("openbao")
PARCEL, QUIET = "parcel_sms", "quiet_sms"


@pytest.fixture
def both(api: Api, bao: OpenBao) -> Api:
    """Parcel before Quiet."""
    seeding.seed()
    for priority, (key, config, secrets) in enumerate(
        [
            (PARCEL, {}, {"account": "AC1", "auth_token": "a-long-auth-token-1234"}),
            (QUIET, {"sender": "hub"}, {"api_key": "another-long-key"}),
        ]
    ):
        body = {"config": config, "priority": priority}
        assert api.post(f"/marketplace/integrations/{key}/install", body).status_code == 201
        answer = api.post("/credentials/bind", {"provider_key": key, "credentials": secrets})
        assert answer.status_code == 201, answer.content
    return api


@pytest.fixture
def proxy(bao: OpenBao, settings: Settings) -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", bao.port)) as between:
        settings.VAULT_ADDR = f"http://127.0.0.1:{between.port}"
        yield between


def timed(api: Api, **options: Any) -> tuple[Any, float]:
    began = time.monotonic()
    return api.post("/execute", sms("+14155552671", **options)), time.monotonic() - began


def test_an_execution_opens_what_the_vault_keeps(both: Api) -> None:
    a_new_process()
    answer = both.post("/execute", sms("+14155552671"))
    assert (answer.status_code, answer.json()["provider_key"]) == (200, PARCEL)


def test_a_remembered_secret_asks_the_vault_for_nothing(both: Api, proxy: Proxy) -> None:
    both.post("/execute", sms("+14155552671"))
    proxy.mode = "close"
    proxy.drop()
    assert both.post("/execute", sms("+14155552671")).status_code == 200


@pytest.mark.slow
def test_a_hung_vault_costs_one_wait_and_the_next_provider_delivers(
    both: Api, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    both.post("/execute", sms("+14155552671", providers=[QUIET]))
    monkeypatch.setattr(hashicorp_client, "SECONDS", 1.5)
    proxy.mode = "hang"
    answer, seconds = timed(both)
    assert (answer.status_code, answer.json()["provider_key"], answer.json()["fallback_used"]) == (200, QUIET, True)
    assert answer.json()["attempts"][0]["reason"] == "credential_unusable"
    assert (seconds < 6, proxy.unanswered) == (True, 1)


@pytest.mark.slow
def test_a_hung_vault_leaves_nobody_to_ask_and_says_so_in_time(both: Api, proxy: Proxy) -> None:
    a_new_process()
    proxy.mode = "hang"
    answer, seconds = timed(both, timeout_ms=1000)
    assert answer.status_code == 503
    assert [error["reason"] for error in answer.json()["details"]["errors"]] == ["credential_unusable", "deadline"]
    assert seconds < 10, "The caller's own second is over before the vault's."


def test_a_queued_run_waits_for_the_vault(both: Api, tenant: UUID, settings: Settings) -> None:
    queued = both.post("/execute", sms("+14155552671"), headers=LATER).json()["execution_id"]
    here, settings.VAULT_ADDR = settings.VAULT_ADDR, "http://127.0.0.1:1"
    a_new_process()
    queueing.run_queued(tenant, UUID(queued))
    assert both.get(f"/executions/{queued}").json()["status"] == "queued"
    settings.VAULT_ADDR = here
    a_new_process()
    queueing.run_queued(tenant, UUID(queued))
    assert both.get(f"/executions/{queued}").json()["status"] == "succeeded"


def test_a_run_is_not_queued_while_its_payload_cannot_be_sealed(both: Api, settings: Settings) -> None:
    settings.VAULT_ADDR = "http://127.0.0.1:1"
    a_new_process()
    answer = both.post("/execute", sms("+14155552671"), headers=LATER)
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
    assert answer.json()["details"]["reason"] == "vault_away"
    assert Execution.objects.using("system").count() == 0


def test_a_binding_through_the_api_says_that_it_may_be_tried_again(api: Api, bao: OpenBao, settings: Settings) -> None:
    settings.VAULT_ADDR = "http://127.0.0.1:1"
    body = {"provider_key": QUIET, "credentials": {"api_key": "another-long-key"}}
    answer = api.post("/credentials/bind", body)
    assert (answer.status_code, answer.json()["retryable"]) == (400, True)
    assert answer.json()["code"] == "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_BIND_FAILED"
    assert binding.in_use(tenant_id=api.tenant) == {}
