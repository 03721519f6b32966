"""`Prefer: respond-async`: the row is the job, a worker does it, and what nobody took is settled."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.db.models.functions import Now

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import queueing, settling
from integrationhub.execution.models import Attempt, Execution
from integrationhub.outbox.models import OutboxMessage
from marketplace import installing
from tests.make import LATER, Api, keyed, sms


def queued(api: Api, to: str = "+15005550503") -> Any:
    answer = api.post("/execute", sms(to), headers=LATER)
    assert answer.status_code == 202, answer.content
    return answer


def run_what_is_queued(tenant: UUID) -> None:
    with tenant_scope(tenant):
        messages = list(OutboxMessage.objects.for_tenant(tenant))
    for message in messages:
        assert set(message.arguments) == {"tenant_id", "execution_id"}
        queueing.run_queued(UUID(message.arguments["tenant_id"]), UUID(message.arguments["execution_id"]))


def lapse(tenant: UUID) -> None:
    """As if the time of every lease had passed."""
    with tenant_scope(tenant):
        Execution.objects.for_tenant(tenant).update(lease_until=Now() - timedelta(seconds=1))


def test_the_answer_says_where_to_look(api: Api) -> None:
    answer = queued(api)
    assert answer.json()["status"] == "queued"
    assert answer["Location"] == f"/integrationhub/v1/executions/{answer.json()['execution_id']}"


def test_a_worker_runs_the_same_chain(api: Api, tenant: UUID) -> None:
    execution_id = queued(api).json()["execution_id"]
    run_what_is_queued(tenant)
    body = api.get(f"/executions/{execution_id}").json()
    assert (body["status"], body["provider_key"], len(body["attempts"])) == ("succeeded", "sandbox_secondary", 2)


def test_a_message_that_comes_twice_runs_once(api: Api, tenant: UUID) -> None:
    queued(api)
    run_what_is_queued(tenant)
    run_what_is_queued(tenant)
    with tenant_scope(tenant):
        assert Attempt.objects.count() == 2


def test_the_payload_is_sealed_while_it_waits_and_gone_afterwards(api: Api, tenant: UUID) -> None:
    queued(api)
    with tenant_scope(tenant):
        assert b"hello" not in bytes(Execution.objects.get().sealed_payload)
    run_what_is_queued(tenant)
    with tenant_scope(tenant):
        assert Execution.objects.get().sealed_payload is None


def test_a_repeated_key_repeats_the_202(api: Api) -> None:
    headers = {**LATER, **keyed()["headers"]}
    first, again = (api.post("/execute", sms(), headers=headers) for _ in range(2))
    assert (again.status_code, again.content, again["Location"]) == (202, first.content, first["Location"])
    assert again["Idempotent-Replayed"] == "true"


def test_what_was_uninstalled_meanwhile_fails_without_an_attempt(api: Api, tenant: UUID) -> None:
    execution_id = queued(api).json()["execution_id"]
    for candidate in installing.candidates(tenant_id=tenant):
        api.delete(f"/integrations/{candidate.installation_id}")
    run_what_is_queued(tenant)
    body = api.get(f"/executions/{execution_id}").json()
    assert (body["status"], body["error"]["code"]) == ("failed", "ERR_INTEGRATION_HUB_SVC_NO_PROVIDERS")
    assert body["attempts"] == []


def test_a_queued_execution_that_no_worker_took_is_posted_again(api: Api, tenant: UUID) -> None:
    queued(api)
    with tenant_scope(tenant):
        OutboxMessage.objects.for_tenant(tenant).delete()
    assert settling.settle() == 0
    lapse(tenant)
    assert settling.settle() == 1
    run_what_is_queued(tenant)
    with tenant_scope(tenant):
        assert Execution.objects.get().status == "succeeded"


@pytest.fixture
def crashed(api: Api, tenant: UUID) -> UUID:
    """A run whose process died between the durable statement and the provider's answer."""
    body = api.post("/execute", sms(), **(key := keyed())).json()
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE execution_attempt SET outcome = 'started', latency_ms = NULL")
        cursor.execute("UPDATE execution_execution SET status = 'running', provider_key = '', finished_at = NULL")
        cursor.execute("UPDATE idempotency_storedanswer SET answer = NULL")
    lapse(tenant)
    api.key = key
    return UUID(body["execution_id"])


def test_a_run_whose_process_died_becomes_unknown_and_is_never_repeated(api: Api, crashed: UUID) -> None:
    assert settling.settle() == 1
    body = api.get(f"/executions/{crashed}").json()
    assert (body["status"], [a["outcome"] for a in body["attempts"]]) == ("unknown", ["unknown"])
    assert settling.settle() == 0


def test_the_key_of_a_run_whose_process_died_tells_what_is_known(api: Api, crashed: UUID) -> None:
    assert api.post("/execute", sms(), **api.key).status_code == 409
    settling.settle()
    first, again = (api.post("/execute", sms(), **api.key) for _ in range(2))
    assert (first.status_code, first.json()["details"]["reason"]) == (503, "outcome_unknown")
    assert first.json()["details"]["executionId"] == str(crashed)
    assert again.content == first.content
