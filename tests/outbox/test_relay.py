"""The relay: what a transaction wrote reaches the broker once it is committed, and waits while there is none."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from django.conf import settings
from django.db import connections, transaction
from redis import Redis

from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import posting, relay
from integrationhub.outbox.models import OutboxMessage


class Queue:
    """The broker's own view of the queue that the tests post to: a list of JSON envelopes."""

    name = "relay-test"

    def __init__(self, broker: Redis) -> None:
        self.broker = broker

    def __len__(self) -> int:
        return int(self.broker.llen(self.name))  # type: ignore[arg-type]

    def take(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Headers and keyword arguments of one message."""
        envelope = json.loads(self.broker.rpop(self.name))  # type: ignore[arg-type]
        return envelope["headers"], json.loads(base64.b64decode(envelope["body"]))[1]


@pytest.fixture
def queue() -> Iterator[Queue]:
    with Redis.from_url(settings.CELERY_BROKER_URL) as broker:
        broker.delete(Queue.name)
        yield Queue(broker)
        broker.delete(Queue.name)


def post(tenant: UUID, **arguments: Any) -> None:
    with tenant_scope(tenant):
        posting.post(tenant_id=tenant, task="tests.nothing", queue="relay-test", request_id="relay-1", **arguments)


def waiting() -> list[OutboxMessage]:
    return list(OutboxMessage.objects.using("system").order_by("id"))


def until(holds: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def test_a_message_reaches_the_broker_with_its_ids_and_request_id(tenant: UUID, queue: Queue) -> None:
    post(tenant, execution_id="e-1")
    assert relay.relay_batch() == 1
    headers, arguments = queue.take()
    assert arguments == {"tenant_id": str(tenant), "execution_id": "e-1"}
    assert headers["request_id"] == "relay-1"
    assert waiting() == []


def test_a_rolled_back_transaction_posts_nothing(tenant: UUID) -> None:
    with tenant_scope(tenant):
        posting.post(tenant_id=tenant, task="tests.nothing", queue="relay-test")
        transaction.set_rollback(True)
    assert waiting() == []


def test_a_broker_that_is_away_delays_and_loses_nothing(
    tenant: UUID, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(tenant)
    with monkeypatch.context() as away:
        # Celery takes this variable before any argument.
        away.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
        away.setattr(relay, "app", Celery(set_as_current=False))
        relay.relay_batch()
    (kept,) = waiting()
    assert kept.failures == 1
    assert kept.last_error
    assert relay.relay_batch() == 0, "It is not due yet."
    OutboxMessage.objects.using("system").update(due_at=kept.created_at)
    assert relay.relay_batch() == 1
    assert queue.take()[1] == {"tenant_id": str(tenant)}


def test_two_relays_share_the_work_without_doing_it_twice(tenant: UUID, queue: Queue) -> None:
    for number in range(30):
        post(tenant, execution_id=str(number))

    def work() -> None:
        try:
            while relay.relay_batch():
                pass
        finally:
            connections.close_all()

    relays = [threading.Thread(target=work) for _ in range(2)]
    for thread in relays:
        thread.start()
    for thread in relays:
        thread.join()
    assert len(queue) == 30


def test_a_commit_rings_and_is_relayed_at_once(tenant: UUID, queue: Queue) -> None:
    stop = threading.Event()

    def work() -> None:
        try:
            relay.run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        time.sleep(0.5)
        begun = time.monotonic()
        post(tenant)
        assert until(lambda: len(queue) == 1)
        assert time.monotonic() - begun < 2, "The relay's own round is longer than that."
    finally:
        stop.set()
        post(tenant)
        thread.join(timeout=8)
    assert not thread.is_alive()
