"""An execution that waits for its message is called off: what was accepted may come, and nobody else is called."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now

from integrationhub.execution import awaiting, settling, tasks
from integrationhub.execution.models import Delivery
from integrationhub.outbox.models import OutboxMessage
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
from tests.make import Api
from tests.providers.carriers import TwilioServer, VonageServer
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


def test_one_whose_next_provider_is_about_to_be_called_is_left_alone(both: Api, twilio: TwilioServer) -> None:
    execution_id = ask(both)
    url, sid = last(twilio)
    told_by_twilio(url, sid, "failed")
    work_off()
    answer = cancel(both, execution_id)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (409, "execution_running")
    work()
    assert len(shown(both, execution_id)["attempts"]) == 2


def test_a_fallback_that_is_under_way_comes_first(
    both: Api, vonage: VonageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id, answers, ring = ask(both), [], awaiting.ring_to_go_on

    def call_off() -> None:
        answers.append(reason(cancel(both, execution_id)))
        connections.close_all()

    caller = threading.Thread(target=call_off)

    def slowly(execution: Any) -> None:
        if not caller.ident:
            caller.start()
            caller.join(timeout=1)
        assert answers == [], "it waits for what holds the delivery"
        ring(execution)

    monkeypatch.setattr(awaiting, "ring_to_go_on", slowly)
    Delivery.objects.using("system").update(due_at=Now(), look_at=Now())
    settling.settle()
    [looking] = OutboxMessage.objects.using("system").filter(task__endswith="look_at_delivery")
    tasks.look_at_delivery(**looking.arguments)
    caller.join()
    work()
    assert answers == [(409, "execution_running")]
    assert (shown(both, execution_id)["status"], vonage.hits) == ("running", 1)


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
    assert told in ((200, "cancelled", 0), (409, "succeeded", 0) if is_delivered else (409, "running", 1))
