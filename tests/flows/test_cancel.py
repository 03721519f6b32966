"""`POST /executions/{id}/cancel`: what waits is called back; of that and a worker exactly one comes first."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import ledger, queueing, settling
from integrationhub.execution.models import Attempt, Execution
from integrationhub.outbox.models import OutboxMessage
from marketplace import quotas
from tests.flows.test_later import lapse, queued
from tests.make import Api, another_tenant, keyed, sms


def cancel(api: Api, execution_id: str, **more: Any) -> Any:
    return api.post(f"/executions/{execution_id}/cancel", **more)


def test_a_queued_one_sends_nothing_and_is_told_to_be_cancelled(api: Api, tenant: UUID) -> None:
    execution_id = queued(api).json()["execution_id"]
    answer = cancel(api.as_role("user"), execution_id)
    assert (answer.status_code, answer.json()["status"], answer.json()["attempts"]) == (200, "cancelled", [])
    assert answer.json() == api.get(f"/executions/{execution_id}").json()
    with tenant_scope(tenant):
        assert not OutboxMessage.objects.exists()
    queueing.run_queued(tenant, UUID(execution_id))
    lapse(tenant)
    assert settling.settle() == 0
    with tenant_scope(tenant):
        assert not Attempt.objects.exists()


def test_its_unit_of_the_quota_goes_back(api: Api, tenant: UUID) -> None:
    execution_id = queued(api).json()["execution_id"]
    period = quotas.period_of(Execution.objects.using("system").get().created_at)
    with tenant_scope(tenant):  # As a live one, which takes a unit.
        quotas.reserve(tenant, period)
        Execution.objects.update(quota_period=period)
    cancel(api, execution_id)
    assert quotas.usage(tenant).used == 0


def test_what_runs_or_has_ended_is_left_alone(api: Api, tenant: UUID) -> None:
    done = api.post("/execute", sms()).json()["execution_id"]
    running = queued(api).json()["execution_id"]
    ledger.take(tenant, UUID(running), 30)
    gone = queued(api).json()["execution_id"]
    cancel(api, gone)
    for execution_id, reason in ((done, "ended"), (running, "running"), (gone, "ended")):
        answer = cancel(api, execution_id)
        assert (answer.status_code, answer.json()["details"]["reason"]) == (409, f"execution_{reason}")


def test_another_tenants_and_an_unknown_one_are_answered_alike(api: Api) -> None:
    execution_id = queued(api).json()["execution_id"]
    answers = [cancel(another_tenant(), execution_id), cancel(api, str(uuid4())), cancel(api, "x")]
    assert [(a.status_code, a.json()["details"]["reason"]) for a in answers] == [(404, "execution_not_found")] * 3
    assert api.get(f"/executions/{execution_id}").json()["status"] == "queued"


def test_a_repeated_key_gets_the_same_answer(api: Api) -> None:
    key, execution_id = keyed(), queued(api).json()["execution_id"]
    first, again = (cancel(api, execution_id, **key) for _ in range(2))
    assert (again.status_code, again.content) == (200, first.content)


@pytest.mark.parametrize("round_", range(8))
def test_of_a_worker_and_who_cancels_exactly_one_comes_first(api: Api, tenant: UUID, round_: int) -> None:
    execution_id = queued(api, "+15005550006").json()["execution_id"]

    def work() -> None:
        try:
            queueing.run_queued(tenant, UUID(execution_id))
        finally:
            connections.close_all()

    def call_back() -> int:
        try:
            return int(cancel(api, execution_id).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        worker, caller = pool.submit(work), pool.submit(call_back)
        worker.result()
    with tenant_scope(tenant):
        told = Execution.objects.get().status, Attempt.objects.count(), caller.result()
    assert told in (("cancelled", 0, 200), ("succeeded", 1, 409))
