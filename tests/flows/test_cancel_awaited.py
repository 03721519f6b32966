"""An execution that waits for its message is called off: what was accepted may come, and nobody else is called."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now

from integrationhub.execution import awaiting, routing, settling, tasks
from integrationhub.execution.models import Delivery
from integrationhub.outbox.models import OutboxMessage
from tests.database import waiting
from tests.flows.test_cancel import cancel
from tests.flows.test_retry import reason, retry
from tests.flows.test_success_status import (
    ask,
    both,
    decisions,
    last,
    shown,
    tell,
    time_passes,
    twilio,
    used,
    vonage,
    work,
)
from tests.launcher.running import eventually
from tests.make import Api, sms
from tests.providers.carriers import Told, TwilioServer, VonageServer
from tests.webhooks.posting import work_off
from tests.webhooks.test_carriers import told_by_twilio

__all__ = ["both", "twilio", "vonage"]


def test_the_wait_ends_and_no_fallback_follows(both: Api, vonage: VonageServer) -> None:
    execution_id = ask(both)
    answer = cancel(both.as_role("user"), execution_id)
    body = answer.json()
    assert (answer.status_code, body["status"], body["delivery"]["status"]) == (200, "cancelled", "accepted")
    assert [(each["provider_key"], each["outcome"]) for each in body["attempts"]] == [("twilio_sms", "succeeded")]
    assert decisions(body) == [("awaited", "called_off"), ("not_reached", "chain_ended")]
    time_passes()
    assert shown(both, execution_id) == body
    assert (vonage.hits, used(both.tenant)) == (0, 1), "what was sent is counted"
    again = cancel(both, execution_id)
    assert (again.status_code, again.json()["details"]["reason"]) == (409, "execution_ended")


def test_what_comes_after_it_is_shown_and_changes_nothing_else(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id = ask(both)
    cancel(both, execution_id)
    assert reason(retry(both, execution_id)) == (409, "not_delivered_in_time")
    tell(twilio, "delivered")
    body = shown(both, execution_id)
    assert (body["status"], body["delivery"]["status"]) == ("cancelled", "delivered")
    assert reason(retry(both, execution_id, {"force": True})) == (409, "delivered_late")
    assert vonage.hits == 0


def between_two(api: Api, twilio: TwilioServer) -> tuple[str, dict[str, Any]]:
    """One whose first provider gave its message up, and the task that would call the next one."""
    execution_id = ask(api)
    told_by_twilio(*last(twilio), "failed")
    work_off()
    [going_on] = OutboxMessage.objects.using("system").filter(task__endswith="go_on")
    return execution_id, going_on.arguments


def test_one_whose_next_provider_is_about_to_be_called_calls_nobody_else(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id, going_on = between_two(both, twilio)
    answer = cancel(both, execution_id)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    tasks.go_on(**going_on)
    work()
    assert (shown(both, execution_id), vonage.hits) == (answer.json(), 0)


def test_one_whose_next_provider_is_left_alone_for_a_moment_is_called_off(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    vonage.answer = lambda _: Told(429, headers={"Retry-After": "30"})
    assert both.post("/execute", sms("+14155552671", providers=["vonage_sms"], timeout_ms=1000)).status_code == 503
    vonage.answer, called = None, vonage.hits
    execution_id, _ = between_two(both, twilio)
    work()
    assert shown(both, execution_id)["status"] == "running"
    assert cancel(both, execution_id).json()["status"] == "cancelled"
    assert settling.settle() == 0
    assert vonage.hits == called


def test_a_worker_that_was_about_to_call_the_next_provider_does_not(
    both: Api, twilio: TwilioServer, vonage: VonageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id, going_on = between_two(both, twilio)
    chain_for = routing.chain_for

    def planned(order: Any) -> Any:
        assert cancel(both, execution_id).status_code == 200
        return chain_for(order)

    monkeypatch.setattr(routing, "chain_for", planned)
    tasks.go_on(**going_on)
    assert (shown(both, execution_id)["status"], vonage.hits) == ("cancelled", 0)


def test_while_the_next_provider_is_called_it_is_left_alone(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id, going_on = between_two(both, twilio)
    answers = []

    def call_off(_: Any) -> None:
        answers.append(reason(cancel(both, execution_id)))
        connections.close_all()

    vonage.answer = call_off
    tasks.go_on(**going_on)
    assert answers == [(409, "execution_running")]
    assert (shown(both, execution_id)["status"], vonage.hits) == ("running", 1)


def test_one_whose_message_has_come_late_succeeds(both: Api, twilio: TwilioServer) -> None:
    execution_id = ask(both)
    url, sid = last(twilio)
    look_when_it_is_due()
    told_by_twilio(url, sid, "delivered")
    work_off()
    assert reason(cancel(both, execution_id)) == (409, "execution_running")
    work()
    assert shown(both, execution_id)["status"] == "succeeded"


def look_when_it_is_due() -> None:
    Delivery.objects.using("system").update(due_at=Now(), look_at=Now())
    settling.settle()
    [looking] = OutboxMessage.objects.using("system").filter(task__endswith="look_at_delivery")
    tasks.look_at_delivery(**looking.arguments)


def test_a_fallback_that_is_under_way_comes_first(
    both: Api, vonage: VonageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id, answers, ring = ask(both), [], awaiting.ring_to_go_on

    def call_off() -> None:
        answers.append(cancel(both, execution_id).json())
        connections.close_all()

    caller = threading.Thread(target=call_off)

    def slowly(execution: Any) -> None:
        if not caller.ident:
            caller.start()
            with connections["owner"].cursor() as cursor:
                eventually(lambda: waiting(cursor) == 1, seconds=10, what="it waits for what holds the delivery")
        assert answers == []
        ring(execution)

    monkeypatch.setattr(awaiting, "ring_to_go_on", slowly)
    look_when_it_is_due()
    caller.join()
    work()
    [body] = answers
    assert [(each["outcome"], each["reason"]) for each in body["attempts"]] == [("failed", "not_delivered_in_time")]
    assert (body["status"], shown(both, execution_id), vonage.hits) == ("cancelled", body, 0)


@pytest.mark.parametrize("round_", range(2))
@pytest.mark.parametrize("is_delivered", [True, False])
def test_of_who_cancels_and_what_ends_the_wait_exactly_one_comes_first(
    both: Api, twilio: TwilioServer, vonage: VonageServer, is_delivered: bool, round_: int
) -> None:
    execution_id = ask(both)
    url, sid = last(twilio)
    told_by_twilio(url, sid, "delivered" if is_delivered else "sent")
    Delivery.objects.using("system").update(due_at=Now(), look_at=Now())
    settling.settle()
    [looking] = OutboxMessage.objects.using("system").filter(task__endswith="look_at_delivery")

    def run(deed: Any) -> Any:
        try:
            return deed()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        caller = pool.submit(run, lambda: cancel(both, execution_id).status_code)
        pool.submit(run, work_off if is_delivered else lambda: tasks.look_at_delivery(**looking.arguments)).result()
    OutboxMessage.objects.using("system").filter(id=looking.id).delete()
    work()
    told = caller.result(), shown(both, execution_id)["status"], vonage.hits
    assert told in ((200, "cancelled", 0), (409, "succeeded", 0) if is_delivered else None)
