"""`POST /executions/{id}/retry`: what did not succeed is sent once more, as a new execution that names the old one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.db.models.functions import Now

from credentials.errors import VaultUnavailable
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import keeping, ledger, queueing, settling
from integrationhub.execution.models import Execution, Outcome, Status
from tests.flows.test_later import lapse, queued, run_what_is_queued
from tests.make import LATER, Api, another_tenant, keyed, sms

BROKEN = "+15005559504"


def failed(api: Api, **options: Any) -> str:
    answer = api.post("/execute", sms(BROKEN, **options))
    assert answer.status_code == 503, answer.content
    return str(answer.json()["details"]["executionId"])


def retry(api: Api, execution_id: str, body: Any = None, **more: Any) -> Any:
    return api.post(f"/executions/{execution_id}/retry", body, **more)


def reason(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["reason"]


def row(execution_id: str) -> Execution:
    return Execution.objects.using("system").get(pk=execution_id)


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent to the number whose carriers fail is sent to one that is delivered."""
    real = keeping.opened
    monkeypatch.setattr(keeping, "opened", lambda execution: {**real(execution), "to": "+15005550006"})


def test_a_failed_one_runs_again_as_a_new_one_that_names_it(api: Api, mended: None) -> None:
    first = failed(api)
    answer = retry(api.as_role("user"), first)
    body = answer.json()
    assert (answer.status_code, body["status"], body["retry_of"]) == (200, "succeeded", first)
    assert body["execution_id"] != first
    assert api.get(f"/executions/{first}").json()["status"] == "failed"
    assert api.get(f"/executions/{body['execution_id']}").json()["retry_of"] == first


def test_it_sends_what_the_first_one_was_to_send_by_its_options(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = failed(api, providers=["sandbox_secondary"], timeout_ms=7_000)
    again = retry(api, first)
    assert again.status_code == 503
    second = row(again.json()["details"]["executionId"])
    assert second.options == {"providers": ["sandbox_secondary"], "timeout_ms": 7_000}
    assert keeping.opened(second) == sms(BROKEN)["payload"]


def test_each_is_retried_once_and_the_second_is_told_where_to_look(api: Api, mended: None) -> None:
    first = failed(api)
    second = retry(api, first).json()["execution_id"]
    answer = retry(api, first)
    assert reason(answer) == (409, "retried_already")
    assert answer.json()["details"]["retriedAs"] == second


def test_eight_retries_at_once_send_once(api: Api, tenant: UUID, mended: None) -> None:
    first = failed(api)

    def again(_: int) -> int:
        try:
            return int(retry(api, first).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(again, range(8))) == [200] + [409] * 7
    with tenant_scope(tenant):
        assert Execution.objects.count() == 2


def test_of_two_that_read_the_payload_one_takes_it(api: Api, tenant: UUID) -> None:
    first = failed(api)
    with tenant_scope(tenant):
        Execution.objects.filter(pk=first).update(sealed_payload=None)
    late = Execution(tenant_id=tenant, intent="message.send.sms", mode="sandbox", status="queued", retry_of=UUID(first))
    late.created_at = row(first).created_at
    with pytest.raises(Exception, match="has been retried"):
        ledger._open(late, None, 10, {})


def test_what_was_queued_and_cancelled_or_failed_is_retried_too(api: Api, tenant: UUID) -> None:
    cancelled, broken = (queued(api, to).json()["execution_id"] for to in ("+15005550006", BROKEN))
    api.post(f"/executions/{cancelled}/cancel")
    run_what_is_queued(tenant)
    for execution_id in (cancelled, broken):
        retry(api, execution_id)
    with tenant_scope(tenant):
        told = Execution.objects.filter(retry_of__isnull=False).order_by("id").values_list("retry_of", "status")
        assert list(told) == [(UUID(cancelled), "succeeded"), (UUID(broken), "failed")]


def test_what_failed_before_its_first_attempt_is_retried_too(api: Api, tenant: UUID) -> None:
    execution_id = queued(api, "+15005550006").json()["execution_id"]
    installed = api.get("/integrations/installed").json()["data"]
    for one in installed:
        api.patch(f"/integrations/{one['id']}", {"enabled": False})
    run_what_is_queued(tenant)
    assert api.get(f"/executions/{execution_id}").json()["status"] == "failed"
    for one in installed:
        api.patch(f"/integrations/{one['id']}", {"enabled": True})
    assert retry(api, execution_id).json()["status"] == "succeeded"


def test_later_a_worker_runs_it(api: Api, tenant: UUID, mended: None) -> None:
    first = failed(api)
    answer = retry(api, first, headers=LATER)
    assert (answer.status_code, answer.json()["status"], answer.json()["retry_of"]) == (202, "queued", first)
    run_what_is_queued(tenant)
    assert row(answer.json()["execution_id"]).status == "succeeded"


def test_one_whose_outcome_nobody_knows_is_sent_again_only_by_force(api: Api, tenant: UUID, mended: None) -> None:
    execution_id = queued(api).json()["execution_id"]
    taken = ledger.take(tenant, UUID(execution_id), 30)
    assert taken
    run = queueing._run(taken)
    ledger.begin_attempt(taken, run.next_attempt(run.chain.steps[0]))
    lapse(tenant)
    settling.settle()
    assert reason(retry(api, execution_id)) == (409, "outcome_unknown")
    assert retry(api, execution_id, {"force": True}).json()["retry_of"] == execution_id


def test_a_worker_that_hears_of_its_failure_late_lets_nobody_retry_a_second_time(
    api: Api, tenant: UUID, mended: None
) -> None:
    execution_id = queued(api).json()["execution_id"]
    taken = ledger.take(tenant, UUID(execution_id), 30)
    assert taken
    run = queueing._run(taken)
    first = run.next_attempt(run.chain.steps[0])
    ledger.begin_attempt(taken, first)
    lapse(tenant)
    settling.settle()
    second = retry(api, execution_id, {"force": True}).json()["execution_id"]
    # The call that was out all the time comes back with a failure.
    first.outcome, taken.status = Outcome.FAILED, Status.FAILED
    assert ledger.conclude(taken, first)
    keeping.keep(taken, run.order, run.deadline)
    answer = retry(api, execution_id)
    assert reason(answer) == (409, "retried_already")
    assert answer.json()["details"]["retriedAs"] == second


def test_what_succeeded_or_has_not_ended_is_not_sent_again(api: Api) -> None:
    done, waiting = api.post("/execute", sms()).json()["execution_id"], queued(api).json()["execution_id"]
    for body in ({}, {"force": True}):
        assert reason(retry(api, done, body)) == (409, "execution_succeeded")
        assert reason(retry(api, waiting, body)) == (409, "execution_not_ended")


def test_a_bad_body_and_an_unknown_id(api: Api) -> None:
    first = failed(api)
    assert retry(api, first, {"payload": {}}).json()["details"]["fields"][0]["field"] == "payload"
    for answer in (retry(another_tenant(), first), retry(api, str(uuid4())), retry(api, "x")):
        assert reason(answer) == (404, "execution_not_found")


def test_a_repeated_key_repeats_the_answer_and_sends_nothing(api: Api, tenant: UUID, mended: None) -> None:
    key, first = keyed(), failed(api)
    answers = [retry(api, first, **key) for _ in range(2)]
    assert (answers[1].status_code, answers[1].content) == (200, answers[0].content)
    with tenant_scope(tenant):
        assert Execution.objects.count() == 2


def test_what_is_kept_is_sealed_and_forgotten_after_a_week(api: Api) -> None:
    first = failed(api)
    assert b"hello" not in bytes(row(first).sealed_payload)
    settling.forget_dead_payloads()
    assert row(first).sealed_payload
    Execution.objects.using("system").update(finished_at=Now() - timedelta(days=7, minutes=1))
    settling.forget_dead_payloads()
    assert row(first).sealed_payload is None
    assert reason(retry(api, first)) == (409, "payload_not_kept")


def test_nothing_is_kept_of_what_succeeded_or_is_long(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    done = api.post("/execute", sms()).json()["execution_id"]
    monkeypatch.setattr(keeping, "MOST_BYTES", 50)
    assert [row(execution_id).sealed_payload for execution_id in (done, failed(api))] == [None, None]


def test_what_is_long_is_not_even_sealed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed: list[object] = []
    monkeypatch.setattr(keeping, "MOST_BYTES", 30)
    monkeypatch.setattr(keeping, "seal", lambda *given: sealed.append(given) or b"sealed")
    assert reason(retry(api, failed(api))) == (409, "payload_not_kept")
    assert sealed == []


def test_a_vault_that_is_away_keeps_no_failure_from_being_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> bytes:
        raise VaultUnavailable("Away.", reason="vault_unavailable")

    monkeypatch.setattr(keeping, "seal", away)
    assert reason(retry(api, failed(api))) == (409, "payload_not_kept")
