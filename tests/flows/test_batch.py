"""`POST /execute/batch`: each item is answered as it would have been alone, and the same key sends nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import batching, executor
from integrationhub.execution.models import Execution, Status
from integrationhub.execution.order import LONGEST_TIMEOUT_MS
from integrationhub.idempotency import answers
from integrationhub.idempotency.models import StoredAnswer
from integrationhub.outbox.models import OutboxMessage
from marketplace import quotas
from marketplace.models import Subscription, Tier
from tests.flows.test_later import run_what_is_queued
from tests.make import LATER, Api, keyed, sms

OTHERS = {"requestId", "timestamp", "path"}


def batch(*items: Any) -> dict[str, Any]:
    return {"items": list(items)}


def statuses(answer: Any) -> list[int]:
    assert answer.status_code == 207, answer.content
    return [item["status"] for item in answer.json()["items"]]


def executions(tenant: UUID) -> list[Execution]:
    with tenant_scope(tenant):
        return list(Execution.objects.for_tenant(tenant).order_by("id"))


def tier(tenant: UUID, *, quota: int | None = None, per_minute: int = 600) -> None:
    quotas.limits_of(tenant)
    Tier.objects.create(key="small", name="Small", monthly_quota=quota, requests_per_minute=per_minute)
    with tenant_scope(tenant):
        Subscription.objects.update_or_create(tenant_id=tenant, defaults={"tier_id": "small"})
    quotas._limits.clear()


def test_each_item_is_answered_in_the_order_asked_as_it_would_have_been_alone(api: Api) -> None:
    items = [sms(), sms("+15005550503"), sms("+15005550401"), sms("+15005550505"), {"intent": "x"}, None]
    answer = api.post("/execute/batch", batch(*items))
    assert statuses(answer) == [200, 200, 400, 503, 400, 400]
    body = answer.json()
    assert [body[name] for name in ("succeeded", "queued", "failed")] == [2, 0, 4]
    assert [item["index"] for item in body["items"]] == list(range(6))
    for item, alone in zip(body["items"], [api.post("/execute", item) for item in items[:5]], strict=False):
        told = item.get("result") or item["error"]
        assert list(told) == list(alone.json())
    assert body["items"][1]["result"]["fallback_used"] is True
    assert body["items"][4]["error"]["details"]["fields"] != []


@pytest.mark.parametrize("body", [{}, {"items": []}, {"items": [sms()] * 101}, {"items": {}}, {"items": [], "x": 1}])
def test_what_is_no_list_of_one_to_a_hundred_is_refused_whole(api: Api, body: Any) -> None:
    answer = api.post("/execute/batch", body)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "invalid_fields")


def test_a_batch_counts_in_the_window_once_for_each_item(api: Api, tenant: UUID) -> None:
    tier(tenant, per_minute=10)
    assert api.post("/execute/batch", batch(*[sms()] * 6))["X-RateLimit-Remaining"] == "4"
    refused = api.post("/execute/batch", batch(*[sms()] * 5))
    assert (refused.status_code, refused.json()["code"]) == (429, "ERR_INTEGRATION_HUB_SVC_RATE_LIMIT_EXCEEDED")
    assert len(executions(tenant)) == 6
    never = api.post("/execute/batch", batch(*[sms()] * 11))
    assert (never.status_code, never.json()["details"]["fields"][0]["reason"]) == (400, "too_many")


def test_a_repeat_gets_the_first_answer_byte_for_byte_and_sends_nothing(api: Api, tenant: UUID) -> None:
    key, body = keyed(), batch(sms(), sms("12"), sms("+15005550505"))
    first, again = (api.post("/execute/batch", body, **key) for _ in range(2))
    assert (again.status_code, again.content, again["Idempotent-Replayed"]) == (207, first.content, "true")
    assert len(executions(tenant)) == 2


def test_a_key_under_which_nothing_was_begun_is_free(api: Api) -> None:
    key = keyed()
    assert statuses(api.post("/execute/batch", batch(sms("+15005550401")), **key)) == [400]
    assert statuses(api.post("/execute/batch", batch(sms()), **key)) == [200]


def test_a_key_of_a_batch_with_another_body_is_refused(api: Api) -> None:
    key = keyed()
    api.post("/execute/batch", batch(sms()), **key)
    answer = api.post("/execute/batch", batch(sms("+15005550503")), **key)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (422, "idempotency_key_reused")


class Died(BaseException):
    """As a process that is killed: nothing of ours catches it."""


@pytest.fixture
def broken_off(api: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A key under which the second of four items was the last to be begun, and nothing was answered."""
    key, begun = keyed(), []
    real = executor.execute

    def dying(order: Any, key: Any) -> Any:
        begun.append(order)
        if len(begun) > 2:
            raise Died
        return real(order, key)

    with monkeypatch.context() as broken:
        broken.setattr(batching, "AT_ONCE", 1)
        broken.setattr(executor, "execute", dying)
        with pytest.raises(Died):
            api.post("/execute/batch", batch(sms(), sms("+15005550503"), sms(), sms()), **key)
    assert len(executions(tenant)) == 2
    return key


def test_a_batch_that_broke_off_is_done_to_its_end_by_the_same_key_and_sends_nothing_twice(
    api: Api, tenant: UUID, broken_off: dict[str, Any]
) -> None:
    before = [str(execution.id) for execution in executions(tenant)]
    answer = api.post("/execute/batch", batch(sms(), sms("+15005550503"), sms(), sms()), **broken_off)
    assert statuses(answer) == [200] * 4
    assert [item["result"]["execution_id"] for item in answer.json()["items"]][:2] == before
    assert len(executions(tenant)) == 4


def test_while_an_item_of_it_still_runs_a_repeat_begins_nothing(
    api: Api, tenant: UUID, broken_off: dict[str, Any]
) -> None:
    with tenant_scope(tenant):
        second = executions(tenant)[1].id
        Execution.objects.filter(id=second).update(status=Status.RUNNING)
        StoredAnswer.objects.filter(execution_id=second).update(answer=None)
    answer = api.post("/execute/batch", batch(sms(), sms("+15005550503"), sms(), sms()), **broken_off)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (409, "idempotency_key_in_use")
    assert len(executions(tenant)) == 2


def test_eight_of_the_same_batch_at_once_act_once(api: Api, tenant: UUID) -> None:
    key, body = keyed(), batch(*[sms()] * 5)

    def post(_: int) -> int:
        try:
            return int(api.post("/execute/batch", body, **key).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, range(8))) <= {207, 409}
    assert len(executions(tenant)) == 5


def test_later_each_item_is_queued_and_a_worker_runs_it(api: Api, tenant: UUID) -> None:
    key = {"headers": {**LATER, **keyed()["headers"]}}
    body = batch(sms(), sms("12"), sms("+15005550503"))
    first, again = (api.post("/execute/batch", body, **key) for _ in range(2))
    assert (statuses(first), again.content) == ([202, 400, 202], first.content)
    with tenant_scope(tenant):
        assert OutboxMessage.objects.count() == 2
    run_what_is_queued(tenant)
    assert [execution.status for execution in executions(tenant)] == ["succeeded"] * 2


def test_what_has_no_turn_in_time_is_not_begun(api: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "BEGUN_WITHIN_SECONDS", -1.0)
    item = api.post("/execute/batch", batch(sms())).json()["items"][0]
    assert (item["status"], item["error"]["details"]["reason"], item["error"]["retryable"]) == (
        503,
        "batch_deadline",
        True,
    )
    assert executions(tenant) == []


def test_a_claim_counts_as_abandoned_only_after_the_longest_batch_has_ended() -> None:
    longest = batching.BEGUN_WITHIN_SECONDS + LONGEST_TIMEOUT_MS / 1000
    assert longest < answers.ABANDONED_AFTER.total_seconds()
