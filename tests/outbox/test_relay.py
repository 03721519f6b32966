"""The relay: what a transaction wrote reaches the broker once it is committed, and waits while there is none."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest
from celery import Celery
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db import connections, transaction
from django.db.models.functions import Now
from django.test import Client
from redis import Redis

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import settling
from integrationhub.execution.models import Execution
from integrationhub.outbox import posting, redriving, relay
from integrationhub.outbox.models import OutboxMessage
from tests.make import Api, keyed, sms

MESSAGES = "/admin/outbox/outboxmessage/"


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
    assert relay.relay_batch().handled == 1
    headers, arguments = queue.take()
    assert arguments == {"tenant_id": str(tenant), "execution_id": "e-1"}
    assert headers["request_id"] == "relay-1"
    assert waiting() == []


def test_a_rolled_back_transaction_posts_nothing(tenant: UUID) -> None:
    with tenant_scope(tenant):
        posting.post(tenant_id=tenant, task="tests.nothing", queue="relay-test")
        transaction.set_rollback(True)
    assert waiting() == []


@contextmanager
def broker_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The relay speaks to a broker that hangs up on everyone; yields one entry for each connection it made."""
    connections_made: list[int] = []
    with monkeypatch.context() as away, socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    connections_made.append(1)
                    listener.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        # Celery takes this variable before any argument.
        away.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        app = Celery(set_as_current=False)
        app.config_from_object("django.conf:settings", namespace="CELERY")
        away.setattr(relay, "app", app)
        connections_made.clear()
        yield connections_made
        listener.shutdown(socket.SHUT_RDWR)


def make_due() -> None:
    OutboxMessage.objects.using("system").update(due_at=Now())


def post_unpublishable(tenant: UUID) -> None:
    with tenant_scope(tenant):
        OutboxMessage.objects.create(tenant_id=tenant, task="tests.nothing", queue="relay-test", arguments=["no names"])


def test_a_broker_that_is_away_delays_and_loses_nothing(
    tenant: UUID, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(tenant)
    with broker_away(monkeypatch):
        relay.relay_batch()
    (kept,) = waiting()
    assert (kept.state, kept.failures, kept.faults) == ("waiting", 1, 0)
    assert kept.last_error
    assert relay.relay_batch().handled == 0, "It is not due yet."
    make_due()
    assert relay.relay_batch().handled == 1
    assert queue.take()[1] == {"tenant_id": str(tenant)}


def test_a_broker_that_is_away_is_not_asked_for_each_message_of_a_batch(
    tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        post(tenant)
    with broker_away(monkeypatch) as connections_made:
        relay.relay_batch()
        assert 1 <= len(connections_made) <= 4
    assert [message.failures for message in waiting()] == [1] * 20


def test_a_broker_may_be_away_for_ever(tenant: UUID, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    post(tenant)
    OutboxMessage.objects.using("system").update(failures=5000)
    with broker_away(monkeypatch):
        relay.relay_batch()
    (kept,) = waiting()
    assert (kept.state, kept.failures) == ("waiting", 5001)
    assert kept.due_at < datetime.now(UTC) + timedelta(seconds=relay.LONGEST_DELAY_SECONDS)
    make_due()
    assert relay.relay_batch().handled == len(queue) == 1


def test_a_message_that_cannot_be_published_stops_no_other_and_is_dead_after_five_tries(
    tenant: UUID, queue: Queue
) -> None:
    post_unpublishable(tenant)
    post(tenant)
    for _ in range(relay.MOST_FAULTS + 1):
        relay.relay_batch()
        make_due()
    (dead,) = waiting()
    assert (dead.state, dead.faults, dead.failures) == ("dead", 5, 0)
    assert "TypeError" in dead.last_error
    assert len(queue) == 1


def test_an_operator_sees_the_dead_and_why_and_redrives_them(tenant: UUID, queue: Queue, operator: Client) -> None:
    post_unpublishable(tenant)
    for _ in range(relay.MOST_FAULTS):
        relay.relay_batch()
        make_due()
    (dead,) = waiting()
    page = operator.get(MESSAGES, {"state__exact": "dead"}).content.decode()
    assert str(dead.id) in page
    assert "TypeError" in page
    assert str(dead.id) not in operator.get(MESSAGES, {"state__exact": "waiting"}).content.decode()
    OutboxMessage.objects.using("system").update(arguments={"mended": True})
    operator.post(MESSAGES, {"action": "redrive", "_selected_action": [str(dead.id)]})
    assert [(message.state, message.faults) for message in waiting()] == [("waiting", 0)]
    assert relay.relay_batch().handled == len(queue) == 1


def test_only_the_dead_are_redriven(tenant: UUID) -> None:
    for _ in range(2):
        post(tenant)
    dead, alive = (message.id for message in waiting())
    OutboxMessage.objects.using("system").update(due_at=datetime.now(UTC) + timedelta(hours=1))
    OutboxMessage.objects.using("system").filter(pk=dead).update(state="dead", faults=5)
    assert redriving.redrive([dead, alive]) == {dead}
    assert [message.id for message in waiting() if message.due_at < datetime.now(UTC)] == [dead]


def test_who_may_only_look_redrives_nothing(tenant: UUID) -> None:
    post_unpublishable(tenant)
    OutboxMessage.objects.using("system").update(state="dead")
    onlooker = User.objects.create_user("onlooker", password="onlookers-password", is_staff=True)
    onlooker.user_permissions.add(Permission.objects.get(codename="view_outboxmessage"))
    client = Client()
    client.force_login(onlooker)
    client.post(MESSAGES, {"action": "redrive", "_selected_action": [str(waiting()[0].id)]})
    assert waiting()[0].state == "dead"


def test_what_a_killed_relay_had_claimed_is_published_within_seconds(tenant: UUID, queue: Queue) -> None:
    post(tenant)
    assert len(relay._claim(1)) == 1, "And here the relay is killed."
    assert relay.relay_batch().handled == 0
    (claimed,) = waiting()
    assert claimed.due_at < datetime.now(UTC) + timedelta(seconds=11)
    make_due()
    assert relay.relay_batch().handled == len(queue) == 1


def test_what_was_posted_first_is_published_first(tenant: UUID, queue: Queue) -> None:
    for number in range(40):
        post(tenant, number=number)
    relay.relay_batch()
    assert [queue.take()[1]["number"] for _ in range(40)] == list(range(40))


def test_two_relays_share_the_work_without_doing_it_twice(tenant: UUID, queue: Queue) -> None:
    for number in range(30):
        post(tenant, execution_id=str(number))

    def work() -> None:
        try:
            while relay.relay_batch().handled:
                pass
        finally:
            connections.close_all()

    relays = [threading.Thread(target=work) for _ in range(2)]
    for thread in relays:
        thread.start()
    for thread in relays:
        thread.join()
    assert len(queue) == 30


@contextmanager
def relaying() -> Iterator[None]:
    """The relay at its work, as its process does it."""
    stop = threading.Event()

    def work() -> None:
        try:
            relay.run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        with connections["system"].cursor() as cursor:
            cursor.execute(f"NOTIFY {relay.CHANNEL}")
        thread.join(timeout=8)
    assert not thread.is_alive()


def test_a_message_waits_for_its_time_and_reaches_the_broker_within_seconds_of_it(tenant: UUID, queue: Queue) -> None:
    with relaying():
        due = time.time() + 4
        post(tenant, execution_id="later", not_before=datetime.fromtimestamp(due, UTC))
        post(tenant, execution_id="now")
        assert until(lambda: len(queue) == 1)
        time.sleep(max(0, due - 0.3 - time.time()))
        assert len(queue) == 1
        assert until(lambda: len(queue) == 2, seconds=relay.IDLE_SECONDS + 3)
    assert [queue.take()[1]["execution_id"] for _ in range(2)] == ["now", "later"]


def test_what_keeps_coming_is_collected_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is rung for: each collection costs as much for one row as for hundreds."""
    collected: list[float] = []
    monkeypatch.setattr(relay, "_collect", lambda: collected.append(time.monotonic()) or 1)
    with relaying(), connections["system"].cursor() as cursor:
        time.sleep(0.3)
        began, before = time.monotonic(), len(collected)
        while len(collected) < before + 6 and time.monotonic() < began + 20:
            cursor.execute(f"NOTIFY {relay.CHANNEL}")
            time.sleep(0.005)
        assert time.monotonic() - began < 2 * relay.IDLE_SECONDS, "It has not been rung for."
    assert min(later - at for at, later in pairwise(collected)) > 0.09


def test_after_a_collection_it_sleeps_no_longer_than_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was rung for meanwhile waits for that alone."""
    monkeypatch.setattr(relay, "_collect", lambda: 1)
    gathering = relay._Gathering()
    assert gathering.pause() == relay.IDLE_SECONDS
    gathering.collect()
    assert 0 < gathering.pause() <= relay.GATHERING_SECONDS


def test_a_commit_rings_and_is_relayed_at_once(tenant: UUID, queue: Queue) -> None:
    with relaying():
        time.sleep(0.5)
        begun = time.monotonic()
        post(tenant)
        assert until(lambda: len(queue) == 1)
        assert time.monotonic() - begun < 2, "The relay's own round is longer than that."


def a_run_whose_process_died(api: Api, **key: Any) -> UUID:
    """Between the durable statement and the provider's answer, and its lease has passed."""
    assert api.post("/marketplace/integrations/sandbox_primary/install", {}).status_code == 201
    execution_id = api.post("/execute", sms(), **key).json()["execution_id"]
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE execution_attempt SET outcome = 'started', latency_ms = NULL")
        cursor.execute(
            "UPDATE execution_execution SET status = 'running', provider_key = '', finished_at = NULL,"
            " lease_until = now() - interval '1 second'"
        )
        cursor.execute("UPDATE idempotency_storedanswer SET answer = NULL")
    settling._settled_lately.clear()
    return UUID(execution_id)


def test_the_relay_settles_what_a_killed_process_left_behind_while_the_broker_is_away(
    api: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = a_run_whose_process_died(api, **(key := keyed()))
    assert api.post("/execute", sms(), **key).status_code == 409
    post(tenant)
    with broker_away(monkeypatch), relaying():
        assert until(lambda: Execution.objects.using("system").get(pk=left).status == "unknown")
    assert len(waiting()) == 1
    assert api.post("/execute", sms(), **key).json()["details"]["reason"] == "outcome_unknown"


def no_settler() -> None:
    raise ValueError("settling is broken")


def test_a_fault_in_settling_keeps_no_message_waiting(tenant: UUID, queue: Queue, settings: Any) -> None:
    settings.SETTLER = f"{__name__}.no_settler"
    with relaying():
        for number in range(2):
            post(tenant, number=number)
            assert until(lambda number=number: len(queue) == number + 1)


def test_the_relay_keeps_to_what_its_url_demands_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    demands = {"sslmode": "verify-full", "sslrootcert": "/nonexistent/root.crt"}
    monkeypatch.setitem(connections["system"].settings_dict, "OPTIONS", demands)
    with pytest.raises(psycopg.OperationalError, match=r"root\.crt|SSL"):
        relay._listening()
