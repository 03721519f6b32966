"""What breaks after a provider was called, or just before: nothing is sent twice, nothing is told that is not known."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connections
from django.db.models.functions import Now

from credentials.models import Credential
from integrationhub.core import provisioning
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import executor, ledger, queueing, settling
from integrationhub.execution.models import Attempt, Execution
from integrationhub.outbox.models import Event, OutboxMessage
from marketplace import quotas
from tests.database import locks_given_up_on
from tests.execution.conftest import ProviderServer, bind
from tests.make import LATER, Api, keyed, sms

NUMBER = "+14155552671"


@pytest.fixture
def lock() -> Iterator[Callable[[str], None]]:
    """Locks a table, as a careless migration would, until the test ends."""
    with locks_given_up_on(), psycopg.connect(**provisioning._parameters("owner")) as connection:
        yield lambda table: connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE") and None


def lapse(tenant: UUID) -> None:
    with tenant_scope(tenant):
        Execution.objects.update(lease_until=Now() - timedelta(seconds=1))


def only(tenant: UUID) -> Execution:
    with tenant_scope(tenant):
        return Execution.objects.get()


def test_an_outcome_that_cannot_be_written_is_unknown_and_not_to_be_sent_again(
    live: Api, server: ProviderServer, lock: Callable[[str], None]
) -> None:
    server.while_acting = lambda: lock("execution_execution")
    answer = live.post("/execute", sms(NUMBER))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (503, "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED")
    assert (body["details"]["reason"], body["retryable"]) == ("outcome_unknown", False)
    assert "executionId" in body["details"]
    assert "Retry-After" not in answer
    assert len(server.received) == 1


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    live: Api, server: ProviderServer, lock: Callable[[str], None]
) -> None:
    server.while_acting = lambda: lock("idempotency_storedanswer")
    answer = live.post("/execute", sms(NUMBER), **keyed())
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert len(server.received) == 1


def test_one_row_that_cannot_be_settled_keeps_no_other_waiting(
    live: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (live.post("/execute", sms(NUMBER), headers=LATER).json()["execution_id"] for _ in range(2))
    lapse(tenant)
    settle_one = settling._settle_one

    def faulty(tenant_id: UUID, execution_id: UUID) -> bool:
        if str(execution_id) == first:
            raise ValueError
        return settle_one(tenant_id, execution_id)

    monkeypatch.setattr(settling, "_settle_one", faulty)
    assert settling.settle() == 1
    assert second


def test_a_broker_that_is_away_for_long_finds_one_message_for_each_execution(live: Api, tenant: UUID) -> None:
    live.post("/execute", sms(NUMBER), headers=LATER)
    for _ in range(3):
        lapse(tenant)
        settling.settle()
    with tenant_scope(tenant):
        assert OutboxMessage.objects.count() == 1


@pytest.mark.parametrize("reference", ["r" * 600, "with\0nul", "lone\ud800surrogate"])
def test_whatever_the_provider_calls_it_is_stored(live: Api, server: ProviderServer, reference: str) -> None:
    server.reference = reference
    answer = live.post("/execute", sms(NUMBER))
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert 0 < len(answer.json()["reference"]) <= 500


def test_a_refused_credential_is_marked_also_when_another_provider_delivers(
    needs_key: Api, live: Api, tenant: UUID, server: ProviderServer
) -> None:
    bind(needs_key)
    server.status = 401
    server.while_acting = lambda: setattr(server, "status", 401 if len(server.received) == 1 else 200)
    body = live.post("/execute", sms(NUMBER)).json()
    assert (body["provider_key"], body["attempts"][0]["reason"]) == ("loopback_sms", "upstream_401")
    [shown] = live.get("/credentials").json()["data"]
    assert (shown["verified"], shown["status"]) == (False, "active")
    assert shown["failing_since"]
    assert told_of_credentials(tenant) == ["credential.failing"]


def test_a_credential_that_keeps_failing_is_told_of_once_and_again_when_it_is_accepted(
    needs_key: Api, tenant: UUID, server: ProviderServer
) -> None:
    bind(needs_key)
    for status in (401, 401, 200, 200):
        server.status = status
        needs_key.post("/execute", sms(NUMBER))
    [shown] = needs_key.get("/credentials").json()["data"]
    assert (shown["verified"], shown["failing_since"]) == (True, None)
    assert told_of_credentials(tenant) == ["credential.failing", "credential.recovered"]


def told_of_credentials(tenant: UUID) -> list[str]:
    with tenant_scope(tenant):
        told = Event.objects.for_tenant(tenant).filter(kind__startswith="credential.").order_by("id")
        return list(told.values_list("kind", flat=True))


def test_a_secret_that_does_not_open_costs_no_call_and_the_next_provider_delivers(
    needs_key: Api, live: Api, tenant: UUID, server: ProviderServer
) -> None:
    bind(needs_key)
    with tenant_scope(tenant):
        Credential.objects.update(sealed=b"\x01 moved here from elsewhere, and so unreadable")
    body = live.post("/execute", sms(NUMBER)).json()
    assert (body["provider_key"], body["attempts"][0]["class"]) == ("loopback_sms", "next")
    assert len(server.received) == 1


def test_a_payload_that_does_not_open_fails_once_and_gives_its_unit_back(live: Api, tenant: UUID) -> None:
    execution_id = UUID(live.post("/execute", sms(NUMBER), headers=LATER).json()["execution_id"])
    assert quotas.usage(tenant).used == 1
    with tenant_scope(tenant):
        Execution.objects.update(sealed_payload=b"\x01 one flipped bit is enough")
    queueing.run_queued(tenant, execution_id)
    body = live.get(f"/executions/{execution_id}").json()
    assert (body["status"], body["attempts"]) == ("failed", [])
    assert quotas.usage(tenant).used == 0
    assert settling.settle() == 0


def stalled(tenant: UUID, execution_id: UUID) -> executor.Run:
    """A worker that has taken the run and is about to begin."""
    execution = ledger.take(tenant, execution_id, lease_seconds=30)
    assert execution is not None
    return queueing._run(execution)


def test_a_worker_that_stalled_beyond_its_lease_sends_nothing(live: Api, tenant: UUID, server: ProviderServer) -> None:
    execution_id = UUID(live.post("/execute", sms(NUMBER), headers=LATER).json()["execution_id"])
    sleeper = stalled(tenant, execution_id)
    lapse(tenant)
    assert settling.settle() == 1
    queueing.run_queued(tenant, execution_id)
    with pytest.raises(ledger.LeaseLost):
        executor.drive(sleeper, executor.first_step(sleeper), opened=False)
    assert len(server.received) == 1
    with tenant_scope(tenant):
        assert Attempt.objects.count() == 1
    assert only(tenant).status == "succeeded"


def test_a_run_that_was_taken_for_dead_tells_what_it_knows_and_sends_nothing_more(
    needs_key: Api, live: Api, tenant: UUID, server: ProviderServer
) -> None:
    bind(needs_key)
    server.status = 503

    def sweep() -> None:
        lapse(tenant)
        assert settling.settle() == 1
        connections.close_all()  # The server's thread has connections of its own.

    server.while_acting = sweep
    body = live.post("/execute", sms(NUMBER)).json()
    assert body["code"] == "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED"
    assert [error["reason"] for error in body["details"]["errors"]] == ["upstream_503"]
    assert len(server.received) == 1
    assert only(tenant).status == "failed"


def test_a_worker_whose_lease_lapsed_but_whom_nobody_followed_sends_nothing_either(
    live: Api, tenant: UUID, server: ProviderServer
) -> None:
    execution_id = UUID(live.post("/execute", sms(NUMBER), headers=LATER).json()["execution_id"])
    sleeper = stalled(tenant, execution_id)
    lapse(tenant)
    settling.settle()
    with pytest.raises(ledger.LeaseLost):
        executor.drive(sleeper, executor.first_step(sleeper), opened=False)
    assert server.received == []
    assert only(tenant).status == "queued"


def test_a_run_that_ends_every_worker_is_given_up_with_its_unit(live: Api, tenant: UUID) -> None:
    execution_id = UUID(live.post("/execute", sms(NUMBER), headers=LATER).json()["execution_id"])
    for _ in range(settling.MOST_TAKES):
        assert ledger.take(tenant, execution_id, lease_seconds=30)
        lapse(tenant)
        settling.settle()
    body = live.get(f"/executions/{execution_id}").json()
    assert (body["status"], body["error"]["code"]) == ("failed", "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED")
    assert quotas.usage(tenant).used == 0


def test_two_sweepers_post_one_message(live: Api, tenant: UUID) -> None:
    live.post("/execute", sms(NUMBER), headers=LATER)
    with tenant_scope(tenant):
        OutboxMessage.objects.all().delete()
    lapse(tenant)

    def sweep(_: int) -> int:
        try:
            return settling.settle()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(sweep, range(4))) == 1
    with tenant_scope(tenant):
        assert OutboxMessage.objects.count() == 1


def test_everyone_who_repeats_a_key_gets_the_same_bytes_whenever_they_ask(live: Api, server: ProviderServer) -> None:
    server.status = 503
    key = keyed()

    def post(_: int) -> Any:
        try:
            return live.post("/execute", sms(NUMBER), **key)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for answer in pool.map(post, range(60)) if answer.status_code != 409]
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer for answer in answers) <= 1
