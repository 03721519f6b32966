"""Who may send what, and for how long: no worker's word undoes another's, and no receiver holds up another."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from integrationhub.outbox.models import OutboxMessage
from integrationhub.webhooks.telling import collecting, stints, tasks
from integrationhub.webhooks.telling.models import Delivery, Subscription
from tests.make import Api
from tests.telling.receiving import Received, Receiver, a_receiver, deliveries, happen, later, run, subscribe, work_off

ANOTHER_WORKER = "UPDATE telling_delivery SET tries = tries + 1, due_at = now() + interval '30 seconds'"


def meanwhile(receiver: Receiver, deed: Any, status: int) -> None:
    """The receiver answers so, and before that something else happens."""

    def answer(received: Received) -> tuple[int, dict[str, str]]:
        deed()
        return status, {}

    receiver.answer = answer


def test_a_failure_that_comes_late_changes_nothing_for_the_try_after_it(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    subscribe(api, receiver)
    meanwhile(receiver, lambda: run(ANOTHER_WORKER), 500)
    happen(tenant)
    work_off()
    [row] = deliveries(tenant)
    assert (row.status, row.tries, [each["outcome"] for each in row.attempts]) == ("pending", 2, ["failed"])
    assert row.due_at
    assert row.due_at > datetime.now(UTC) + timedelta(seconds=20), "another worker has it"


@pytest.mark.parametrize("became", [ANOTHER_WORKER, "UPDATE telling_delivery SET status = 'dead', due_at = NULL"])
def test_a_success_that_comes_late_is_a_success(api: Api, tenant: UUID, receiver: Receiver, became: str) -> None:
    subscribe(api, receiver)
    meanwhile(receiver, lambda: run(became), 200)
    happen(tenant)
    work_off()
    later(86_400)
    assert work_off() == 0
    assert [row.status for row in deliveries(tenant)] == ["delivered"]


@pytest.mark.parametrize(("status", "left"), [(500, "skipped"), (200, "delivered")])
def test_what_was_under_way_when_it_was_disabled_ends_as_it_ends(
    api: Api, tenant: UUID, receiver: Receiver, status: int, left: str
) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"
    meanwhile(receiver, lambda: api.patch(one, {"enabled": False}), status)
    happen(tenant)
    work_off()
    assert [row.status for row in deliveries(tenant)] == [left]


@pytest.mark.parametrize(("status", "headers"), [(410, {}), (500, {}), (503, {"Retry-After": "7200"})])
def test_what_the_address_before_answers_is_not_held_against_the_new_one(
    api: Api, tenant: UUID, receiver: Receiver, status: int, headers: dict[str, str]
) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"
    with a_receiver() as moved:

        def answer(received: Received) -> tuple[int, dict[str, str]]:
            assert api.patch(one, {"url": moved.url}).status_code == 200
            return status, headers

        receiver.answer = answer
        happen(tenant)
        work_off()
        row = Subscription.objects.using("system").get()
        assert (row.is_enabled, row.failing_since) == (True, None)
        happen(tenant)
        assert work_off() == 1, "nobody has asked to be left alone"
        assert len(moved.received) == 1


def test_who_tells_the_address_before_sends_it_no_more(api: Api, tenant: UUID, receiver: Receiver) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"
    with a_receiver() as moved:
        meanwhile(receiver, lambda: api.patch(one, {"url": moved.url}), 200)
        for _ in range(stints.REQUESTS_AT_ONCE + 3):
            happen(tenant)
        work_off()
        assert len(receiver.received) == stints.REQUESTS_AT_ONCE
        work_off()
        assert len(moved.received) == 3


def test_what_was_under_way_disables_none_that_was_enabled_anew(api: Api, tenant: UUID, receiver: Receiver) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"
    meanwhile(receiver, lambda: [api.patch(one, {"enabled": enabled}) for enabled in (False, True)], 410)
    happen(tenant)
    work_off()
    assert Subscription.objects.using("system").get().is_enabled


def test_a_success_at_the_address_before_is_none_of_the_new_one(api: Api, tenant: UUID, receiver: Receiver) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"

    def moves() -> None:
        api.patch(one, {"url": f"{receiver.url}/moved"})
        run("UPDATE telling_subscription SET failing_since = now()")

    meanwhile(receiver, moves, 200)
    happen(tenant)
    work_off()
    assert Subscription.objects.using("system").get().failing_since


def test_a_message_that_comes_twice_or_late_finds_nothing_to_do(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscription_id = UUID(subscribe(api, receiver)["id"])
    happen(tenant)
    collecting.collect()
    assert collecting.collect() == 0, "it is given to one worker"
    take = Subscription.objects.using("system").get().takes
    stints.run(tenant, subscription_id, take - 1)
    assert receiver.received == []
    stints.run(tenant, subscription_id, take)
    stints.run(tenant, subscription_id, take)
    assert len(receiver.received) == 1


def test_one_that_ends_its_workers_is_dead_after_ten_of_them(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscribe(api, receiver)
    happen(tenant)
    for number in range(11):
        run("UPDATE telling_delivery SET tries = %s, due_at = now() WHERE status = 'pending'", number)
        if number == 10:
            work_off()
    assert (receiver.received, [row.status for row in deliveries(tenant)]) == ([], ["dead"])


def test_a_secret_that_does_not_open_now_costs_no_try(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscribe(api, receiver)
    happen(tenant)
    run("UPDATE telling_subscription SET sealed = set_byte(sealed, 39, get_byte(sealed, 39) # 1)")
    work_off()
    [row] = deliveries(tenant)
    assert (receiver.received, row.status, row.tries) == ([], "pending", 0)
    assert work_off() == 0, "it is left alone for a while"


def test_one_receiver_is_sent_no_more_than_eight_at_a_time(api: Api, tenant: UUID, receiver: Receiver) -> None:
    under_way, most = 0, 0
    lock = threading.Lock()

    def answer(received: Received) -> tuple[int, dict[str, str]]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return 200, {}

    receiver.answer = answer
    subscribe(api, receiver)
    for _ in range(30):
        happen(tenant)
    work_off()
    assert len(receiver.received) == 30
    assert 2 <= most <= stints.REQUESTS_AT_ONCE


def test_one_slow_receiver_holds_up_neither_the_worker_nor_another_receiver(api: Api, tenant: UUID) -> None:
    goes_on = threading.Event()
    with a_receiver() as slow, a_receiver() as quick:
        meanwhile(slow, lambda: goes_on.wait(8), 200)
        for receiver in (slow, quick):
            subscribe(api, receiver)
        happen(tenant)
        collecting.collect()
        started = time.monotonic()
        for message in OutboxMessage.objects.using("system").filter(task=collecting.TASK):
            tasks.tell(**message.arguments)
        assert time.monotonic() - started < 6, "the worker is free for its next task"
        until(lambda: [row.status for row in deliveries(tenant)].count("delivered") == 1)
        until(lambda: (len(slow.received), len(quick.received)) == (1, 1))
        goes_on.set()
        until(lambda: Delivery.objects.using("system").filter(status="delivered").count() == 2)
        until(lambda: Subscription.objects.using("system").filter(free_at__lte=datetime.now(UTC)).count() == 2)


def until(holds: Any) -> None:
    deadline = time.monotonic() + 8
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
