"""What came of a call is written down first; what else there is to write never stands in its way."""

import time
from typing import Any
from uuid import UUID

import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connections

from integrationhub.core import tenancy, valkey_client
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import circuit_state, circuits, ledger, queueing
from integrationhub.execution.models import Attempt, Execution
from marketplace import quotas
from marketplace.models import Subscription, Tier
from tests.database import refused_by_the_database
from tests.execution.conftest import ProviderServer, bind
from tests.make import LATER, Api, another_tenant, sms

NUMBER = "+14155552671"


def test_a_delivery_is_told_although_the_credentials_state_cannot_be_written(
    needs_key: Api, tenant: UUID, server: ProviderServer
) -> None:
    bind(needs_key)
    server.status = 401
    needs_key.post("/execute", sms(NUMBER))
    server.status = 200
    with refused_by_the_database("UPDATE ON credentials_credential"):
        answer = needs_key.post("/execute", sms(NUMBER))
    assert (answer.status_code, answer.json()["reference"]) == (200, "m-2")
    with tenant_scope(tenant):
        assert Execution.objects.order_by("-id")[0].status == "succeeded"


def test_a_delivery_is_told_although_the_event_of_a_closed_circuit_cannot_be_written(
    live: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuits, "record", lambda *_, **__: circuits.CLOSED)
    with refused_by_the_database("INSERT ON outbox_event"):
        assert live.post("/execute", sms(NUMBER)).status_code == 200


def test_a_refusal_that_is_known_outlives_a_blip_of_the_database(
    live: Api, needs_key: Api, tenant: UUID, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind(needs_key)
    server.while_acting = lambda: setattr(server, "status", 503 if len(server.received) == 1 else 200)
    broken: list[str] = []
    call = tenancy.call_in_scope

    def breaks_once(tenant_id: UUID, statement: str, order: Any) -> Any:
        if statement == ledger.BEGIN_ATTEMPT and not broken:
            call(tenant_id, statement, order)
            broken.append(statement)
            raise OperationalError("the connection went, and the answer with it")
        return call(tenant_id, statement, order)

    monkeypatch.setattr(ledger, "call_in_scope", breaks_once)
    answer = live.post("/execute", sms(NUMBER))
    assert (answer.status_code, answer.json()["provider_key"]) == (200, "loopback_sms")
    assert broken
    with tenant_scope(tenant):
        assert list(Attempt.objects.order_by("sequence").values_list("outcome", flat=True)) == ["failed", "succeeded"]


def test_no_connection_is_held_while_a_provider_is_waited_for(live: Api, server: ProviderServer) -> None:
    pool = connections["default"].pool  # type: ignore[attr-defined]
    lent: list[int] = []
    server.while_acting = lambda: lent.append(pool.get_stats()["pool_size"] - pool.get_stats()["pool_available"])
    for _ in range(2):
        connections["default"].ensure_connection()
        live.post("/execute", sms(NUMBER))
    assert lent == [0, 0]


def open_circuit(api: Api, server: ProviderServer) -> None:
    server.status = 500
    for _ in range(5):
        api.post("/execute", sms(NUMBER))
    server.status = 200


def test_a_tenant_without_quota_does_not_use_up_the_probe_of_the_others(
    live: Api, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = another_tenant()
    body = {"config": {"url": server.url}, "priority": 10}
    assert poor.post("/marketplace/integrations/loopback_sms/install", body).status_code == 201
    Tier.objects.create(key="none", name="None", monthly_quota=0, requests_per_minute=60)
    with tenant_scope(poor.tenant):
        Subscription.objects.for_tenant(poor.tenant).update(tier_id="none")
    quotas._limits.clear()
    # After the pause of the open circuit, whose next pause is as long as ever.
    hasty = valkey_client.Script(circuit_state.RECORD.text.replace("+ 5000", "+ 50"))
    with monkeypatch.context() as patched:
        patched.setattr(circuits, "RECORD", hasty)
        open_circuit(live, server)
    time.sleep(0.06)
    assert poor.post("/execute", sms(NUMBER)).status_code == 422
    assert live.post("/execute", sms(NUMBER)).status_code == 200


def test_a_queued_run_waits_for_a_provider_to_come_back(live: Api, tenant: UUID, server: ProviderServer) -> None:
    open_circuit(live, server)
    execution_id = UUID(live.post("/execute", sms(NUMBER), headers=LATER).json()["execution_id"])
    queueing.run_queued(tenant, execution_id)
    with tenant_scope(tenant):
        waiting = Execution.objects.get(pk=execution_id)
    assert (waiting.status, waiting.takes) == ("queued", 0)
    circuits.forget()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(*client.keys("hub:circuit:*"))
    queueing.run_queued(tenant, execution_id)
    with tenant_scope(tenant):
        assert Execution.objects.get(pk=execution_id).status == "succeeded"


def test_it_does_not_wait_for_ever(live: Api, tenant: UUID, server: ProviderServer) -> None:
    open_circuit(live, server)
    execution_id = UUID(live.post("/execute", sms(NUMBER), headers=LATER).json()["execution_id"])
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE execution_execution SET created_at = now() - interval '11 minutes'")
    queueing.run_queued(tenant, execution_id)
    body = live.get(f"/executions/{execution_id}").json()
    assert (body["status"], body["error"]["code"]) == ("failed", "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED")
    with tenant_scope(tenant):
        dead = Execution.objects.get(pk=execution_id)
    assert dead.dead_at, "an operator may still have it sent"
    assert dead.sealed_payload
