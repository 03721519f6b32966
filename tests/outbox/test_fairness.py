"""Executions of many tenants in the outbox: they take turns, and the broker's list stays short."""

import base64
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connections
from redis import Redis

from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import relay
from integrationhub.outbox.models import OutboxMessage
from tests.outbox.test_relay import broker_away, post, relaying, until

POST_MANY = """
INSERT INTO outbox_outboxmessage
       (id, tenant_id, task, queue, arguments, request_id, state, failures, faults, last_error)
SELECT gen_random_uuid(), tenants.id, 'tests.nothing', 'execute',
       jsonb_build_object('tenant_id', tenants.id, 'execution_id', gen_random_uuid()), '', 'waiting', 0, 0, ''
FROM unnest(%s::uuid[]) AS tenants(id), generate_series(1, %s)
"""


class ExecuteList:
    """The broker's own list of executions, and how long it ever was when the test looked."""

    def __init__(self, broker: Redis) -> None:
        self.broker, self.longest = broker, 0

    def __len__(self) -> int:
        found = int(self.broker.llen("execute"))  # type: ignore[arg-type]
        self.longest = max(self.longest, found)
        return found

    def take(self) -> dict[str, Any]:
        """The keyword arguments of the message that a worker would get next."""
        envelope = json.loads(self.broker.rpop("execute"))  # type: ignore[arg-type]
        arguments: dict[str, Any] = json.loads(base64.b64decode(envelope["body"]))[1]
        return arguments


@pytest.fixture
def execute() -> Iterator[ExecuteList]:
    with Redis.from_url(settings.CELERY_BROKER_URL) as broker:
        broker.delete("execute", "relay-test")
        yield ExecuteList(broker)
        broker.delete("execute", "relay-test")


def post_runs(how_many: int, *tenants: UUID) -> None:
    with connections["system"].cursor() as cursor:
        cursor.execute(POST_MANY, [list(tenants), how_many])


def published(execute: ExecuteList, how_many: int) -> list[dict[str, Any]]:
    """What workers take while a relay is at its work; fails when it does not become so many."""
    taken: list[dict[str, Any]] = []
    end = time.monotonic() + 20
    while len(taken) < how_many:
        assert time.monotonic() < end, f"{len(taken)} of {how_many}"
        if len(execute):
            taken.append(execute.take())
        else:
            time.sleep(0.005)
    return taken


def test_a_tenants_five_do_not_wait_for_five_hundred_of_another(tenant: UUID, execute: ExecuteList) -> None:
    hog = uuid4()
    post_runs(500, hog)
    post_runs(5, tenant)
    relay.relay_batch()
    first = [execute.take()["tenant_id"] for _ in range(12)]
    assert first.count(str(tenant)) == 5


def test_who_comes_while_the_list_is_full_waits_for_the_list_at_most(tenant: UUID, execute: ExecuteList) -> None:
    hog = uuid4()
    post_runs(500, hog)
    relay.relay_batch()
    post_runs(5, tenant)
    with relaying():
        order = [run["tenant_id"] for run in published(execute, 505)]
    assert max(place for place, whose in enumerate(order) if whose == str(tenant)) < relay.LIST_LENGTH + 60


def test_with_room_for_one_no_tenant_is_passed_over_for_ever(
    tenant: UUID, execute: ExecuteList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LIST_LENGTH", 1)
    post_runs(60, tenant)
    post_runs(60, other := uuid4())
    turns = set()
    for _ in range(60):  # A fair coin falls on one side sixty times in a row once in 10^18.
        relay.relay_batch()
        turns.add(execute.take()["tenant_id"])
    assert turns == {str(tenant), str(other)}


def test_the_list_is_never_longer_than_its_bound_and_all_of_it_arrives_once(tenant: UUID, execute: ExecuteList) -> None:
    post_runs(100, tenant, uuid4(), uuid4())
    with relaying():
        assert until(lambda: len(execute) == relay.LIST_LENGTH)
        time.sleep(0.3)
        arrived = [run["execution_id"] for run in published(execute, 300)]
        assert until(lambda: not OutboxMessage.objects.using("system").exists())
        assert len(execute) == 0
    assert execute.longest == relay.LIST_LENGTH
    assert len(set(arrived)) == 300


def test_a_list_that_is_drained_is_filled_again_at_once(tenant: UUID, execute: ExecuteList) -> None:
    post_runs(300, tenant)
    with relaying():
        begun = time.monotonic()
        published(execute, 300)
    assert time.monotonic() - begun < 3 * relay.IDLE_SECONDS, "Ten rounds, not ten pauses."


def test_a_full_list_keeps_no_other_queue_waiting(tenant: UUID, execute: ExecuteList) -> None:
    post_runs(100, tenant)
    relay.relay_batch()
    post(tenant)
    assert relay.relay_batch() == relay.Round(1, held_back=True)
    assert (execute.broker.llen("relay-test"), len(execute)) == (1, relay.LIST_LENGTH)


def test_a_broker_that_cannot_tell_the_length_counts_as_away(
    tenant: UUID, execute: ExecuteList, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_runs(5, tenant)
    with broker_away(monkeypatch):
        assert relay.relay_batch() == relay.Round(0)
    assert {message.failures for message in OutboxMessage.objects.using("system").all()} == {1}


def plan_of(alias: str, statement: str, parameters: Any) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE) " + statement, parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.fixture
def a_long_queue() -> UUID:
    """A hundred thousand wait, of one tenant most of them; its id."""
    hog = uuid4()
    post_runs(90_000, hog)
    post_runs(10, *(uuid4() for _ in range(1_000)))
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE outbox_outboxmessage")
    return hog


@pytest.mark.slow
def test_a_hundred_thousand_that_wait_make_a_claim_no_slower(a_long_queue: UUID) -> None:
    claim = plan_of("system", relay.CLAIM_FAIRLY, {"seconds": 10, "most": relay.LIST_LENGTH})
    assert "Seq Scan" not in claim, claim
    read = [float(rows) * int(times) for rows, times in re.findall(r"actual time=\S+ rows=(\S+) loops=(\d+)", claim)]
    assert 1_000 < max(read) < 2_000, "One row of each tenant, and a few more of those whose turn it is."
    assert len(relay._claim(relay.LIST_LENGTH)) == relay.LIST_LENGTH


@pytest.mark.slow
def test_the_message_of_an_execution_is_found_by_an_index_under_row_level_security(a_long_queue: UUID) -> None:
    with tenant_scope(a_long_queue):
        found = OutboxMessage.objects.for_tenant(a_long_queue).filter(state="waiting", execution_id=str(uuid4()))
        assert "outbox_of_execution" in found.explain()
