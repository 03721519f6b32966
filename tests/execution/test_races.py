"""Many at once: the quota's last unit goes to one, and what one key asks for is done once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.models import Attempt, Execution
from marketplace import quotas
from marketplace.models import Tier, Usage
from tests.execution.conftest import ProviderServer
from tests.make import LATER, Api, keyed, sms

NUMBER = "+14155552671"
QUOTA_EXCEEDED = "ERR_INTEGRATION_HUB_SVC_QUOTA_EXCEEDED"
ROUNDS, RACERS, REPEATERS = 20, 20, 50


@pytest.fixture(autouse=True)
def unhurried(live: Api) -> None:
    """The per-minute limit is not what these are about."""
    Tier.objects.filter(key="free").update(requests_per_minute=100_000)
    quotas._limits.clear()


def at_once(what: Callable[[int], Any], count: int) -> list[Any]:
    def run(number: int) -> Any:
        try:
            return what(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def leave_one_unit(tenant: UUID) -> None:
    quota = quotas.limits_of(tenant).monthly_quota
    assert quota is not None
    with tenant_scope(tenant):
        period = quotas.usage(tenant).period
        Usage.objects.for_tenant(tenant).filter(period=period).delete()
        Usage.objects.create(tenant_id=tenant, period=period, used=quota - 1)


def rows(tenant: UUID) -> tuple[int, int]:
    with tenant_scope(tenant):
        return Execution.objects.count(), Attempt.objects.count()


@pytest.mark.slow
def test_twenty_rounds_of_twenty_at_the_last_unit_let_one_pass_each(
    live: Api, tenant: UUID, server: ProviderServer
) -> None:
    for number in range(1, ROUNDS + 1):
        leave_one_unit(tenant)
        answers = at_once(lambda _: live.post("/execute", sms(NUMBER)), RACERS)
        refusals = [answer for answer in answers if answer.status_code != 200]
        assert len(refusals) == RACERS - 1
        assert {(answer.status_code, answer.json()["code"]) for answer in refusals} == {(422, QUOTA_EXCEEDED)}
        assert (rows(tenant), len(server.received)) == ((number, number), number)
        assert quotas.usage(tenant).remaining == 0


def test_both_ways_into_an_execution_race_for_the_same_unit(live: Api, tenant: UUID, server: ProviderServer) -> None:
    leave_one_unit(tenant)
    ways: list[dict[str, Any]] = [{}, {"headers": LATER}]
    answers = at_once(lambda number: live.post("/execute", sms(NUMBER), **ways[number % 2]), RACERS)
    passed = [answer.status_code for answer in answers if answer.status_code < 300]
    assert len(passed) == 1
    assert rows(tenant)[0] == 1
    assert len(server.received) == passed.count(200)


def test_fifty_at_once_with_one_key_act_once_and_hear_the_same(live: Api, tenant: UUID, server: ProviderServer) -> None:
    server.delay, key = 0.1, keyed()
    answers = at_once(lambda _: live.post("/execute", sms(NUMBER), **key), REPEATERS)
    told = [answer for answer in answers if answer.status_code == 200]
    waited = [answer for answer in answers if answer.status_code != 200]
    assert told
    assert {(answer.status_code, answer.json()["details"]["reason"]) for answer in waited} <= {
        (409, "idempotency_key_in_use")
    }
    again = at_once(lambda _: live.post("/execute", sms(NUMBER), **key), 8)
    assert {answer.content for answer in [*told, *again]} == {told[0].content}
    assert {answer["Idempotent-Replayed"] for answer in again} == {"true"}
    assert (rows(tenant), len(server.received)) == ((1, 1), 1)
    assert quotas.usage(tenant).used == 1


def test_fifty_at_once_with_one_key_for_later_queue_once(live: Api, tenant: UUID) -> None:
    key = {"headers": {**keyed()["headers"], **LATER}}
    answers = at_once(lambda _: live.post("/execute", sms(NUMBER), **key), REPEATERS)
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert rows(tenant) == (1, 0)
    assert quotas.usage(tenant).used == 1


def test_one_key_with_two_bodies_at_once_does_one_of_them(live: Api, tenant: UUID, server: ProviderServer) -> None:
    server.delay, key = 0.1, keyed()
    bodies = [sms(NUMBER), sms("+14155552672")]
    answers = at_once(lambda number: live.post("/execute", bodies[number % 2], **key), REPEATERS)
    sent = [body["to"] for body in server.received]
    assert len(sent) == 1
    assert rows(tenant) == (1, 1)
    winner = [body["payload"]["to"] for body in bodies].index(sent[0])
    statuses = Counter(answer.status_code for answer in answers[1 - winner :: 2])
    assert set(statuses) <= {409, 422}
    assert {answer.status_code for answer in answers[winner::2]} <= {200, 409}
    assert live.post("/execute", bodies[1 - winner], **key).json()["details"]["reason"] == "idempotency_key_reused"
    assert live.post("/execute", bodies[winner], **key).status_code == 200
