"""A scheduled execution over a live provider: its unit is one of the month in which it is sent, and whatever is
installed or how late it is by then, it sends what was asked for or nothing."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connections

from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import executor
from integrationhub.execution.models import Execution
from marketplace import quotas
from tests.execution.conftest import ProviderServer, bind
from tests.flows.test_later import run_what_is_queued
from tests.make import LATER, Api, sms

NUMBER = "+14155552671"


def test_it_counts_in_the_month_in_which_it_is_sent(live: Api, tenant: UUID) -> None:
    in_the_next = quotas.resets_at(quotas.period_of(datetime.now(UTC))) + timedelta(hours=1)
    body = sms("+14155552671", providers=["loopback_sms"], send_at=moment(in_the_next))
    answer = live.post("/execute", body)
    assert (answer.status_code, quotas.usage(tenant).used, answer["X-Quota-Remaining"]) == (202, 0, "1000")
    with tenant_scope(tenant):
        assert Execution.objects.get().quota_period == in_the_next.date().replace(day=1)
    live.post(f"/executions/{answer.json()['execution_id']}/cancel")
    with connections["system"].cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(used), 0) FROM marketplace_usage")
        assert cursor.fetchone() == (0,)


# --- What is installed by then ---


def install(api: Api, key: str, **config: str) -> str:
    answer = api.post(f"/marketplace/integrations/{key}/install", {"config": config})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def test_what_was_queued_for_the_sandbox_reaches_nobody(api: Api, tenant: UUID, server: ProviderServer) -> None:
    """It has taken no unit, and its caller was told that it is a trial."""
    install(api, "sandbox_primary")
    queued = api.post("/execute", sms(), headers=LATER).json()
    install(api, "loopback_sms", url=server.url)
    run_what_is_queued(tenant)
    told = api.get(f"/executions/{queued['execution_id']}").json()
    assert (queued["mode"], told["mode"]) == ("sandbox", "sandbox")
    assert (told["status"], told["provider_key"], server.received) == ("succeeded", "sandbox_primary", [])


def test_no_sandbox_answers_for_what_was_queued_live(api: Api, tenant: UUID, server: ProviderServer) -> None:
    installation = install(api, "loopback_sms", url=server.url)
    install(api, "sandbox_primary")
    queued = api.post("/execute", sms(), headers=LATER).json()
    assert (queued["mode"], quotas.usage(tenant).used) == ("live", 1)
    api.delete(f"/integrations/{installation}")
    run_what_is_queued(tenant)
    told = api.get(f"/executions/{queued['execution_id']}").json()
    assert (told["status"], told["error"]["code"]) == ("failed", "ERR_INTEGRATION_HUB_SVC_NO_PROVIDERS")
    assert quotas.usage(tenant).used == 0


def test_a_retry_is_a_trial_where_the_first_time_was_one(api: Api, server: ProviderServer) -> None:
    install(api, "sandbox_primary")
    first = api.post("/execute", sms("+15005559503")).json()["details"]["executionId"]
    install(api, "loopback_sms", url=server.url)
    second = api.post(f"/executions/{first}/retry").json()["details"]["executionId"]
    assert (api.get(f"/executions/{second}").json()["mode"], server.received) == ("sandbox", [])


# --- Nobody is called after `expires_at` ---


def soon(seconds: float) -> str:
    return moment(datetime.now(UTC) + timedelta(seconds=seconds))


def test_the_next_provider_is_not_called_after_its_time(needs_key: Api, live: Api, server: ProviderServer) -> None:
    bind(live)
    server.status, over = 503, time.monotonic() + 2
    server.while_acting = lambda: time.sleep(max(0, over - time.monotonic()))
    answer = live.post("/execute", sms(NUMBER, expires_at=soon(over - time.monotonic())))
    assert len(server.received) == 1
    told = [(each["providerKey"], each["reason"]) for each in answer.json()["details"]["errors"]]
    assert told == [("loopback_keyed_sms", "upstream_503"), ("loopback_sms", "deadline")]


def test_the_last_provider_is_not_called_again_after_its_time(
    live: Api, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "BACK_OFF_SECONDS", (5.0, 5.0))
    server.status = 503
    assert live.post("/execute", sms(NUMBER, expires_at=soon(4))).status_code == 503
    assert len(server.received) == 1
    monkeypatch.setattr(executor, "BACK_OFF_SECONDS", (0.0, 0.0))
    live.post("/execute", sms(NUMBER, expires_at=soon(30)))
    assert len(server.received) == 3
