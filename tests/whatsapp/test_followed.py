"""What Meta tells of an execution's message is shown with the execution, and is what `success_status` waits for."""

import time
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrationhub.execution.models import Execution
from integrationhub.outbox.models import Event
from tests.flows.test_success_status import reasons, shown, time_passes, used, work
from tests.make import Api
from tests.meta.graph_server import APP_SECRET, PHONE_NUMBER_ID, WABA_ID, GraphServer
from tests.webhooks import posting
from tests.webhooks.posting import change, events, work_off, written
from tests.whatsapp import numbers
from tests.whatsapp.talking import Talk, failure, status
from whatsapp import deliveries

DELIVERED = {"success_status": "delivered", "fallback_after_ms": 60_000}


@pytest.fixture
def sender(api: Api, meta: GraphServer) -> Api:
    """A tenant that sends by the deployment's number, and is told of every message."""
    numbers.install(api)
    Talk(api).customer_writes()
    posting.subscribe(api)
    return api


def ask(api: Api, **options: Any) -> str:
    answer = numbers.execute(api, **{**DELIVERED, **options})
    assert answer.status_code == 202, answer.content
    work()
    return str(answer.json()["execution_id"])


def meta_tells(*statuses: dict[str, Any]) -> None:
    """By its webhook, signed; workers do what follows."""
    body = written(change(phone=PHONE_NUMBER_ID, statuses=list(statuses)), waba=WABA_ID)
    assert posting.post(body, secret=APP_SECRET).status_code == 200
    work()


def last(api: Api) -> dict[str, Any]:
    return Talk(api).deliveries()[0]


def told_to(tenant: UUID) -> list[tuple[str, str | None]]:
    told = Event.objects.using("system").for_tenant(tenant).filter(kind__startswith="message.").order_by("id")
    return [(event.kind, event.data["execution_id"]) for event in told]


def test_an_execution_shows_what_became_of_its_message_and_each_step_is_told_once(sender: Api) -> None:
    body = numbers.execute(sender).json()
    assert body["status"] == "succeeded"
    for word in ("sent", "delivered", "read"):
        meta_tells(status(last(sender), word))
    told = shown(sender, body["execution_id"])["delivery"]
    assert (told["status"], told["provider_key"], told["reference"]) == ("read", "meta_whatsapp", body["reference"])
    steps = ("message.sent", "message.delivered", "message.read")
    assert [step["type"] for step in told["timeline"]] == list(steps)
    assert [step["webhook_id"] for step in told["timeline"]] == [str(event.id) for event in events(sender.tenant)]
    assert told_to(sender.tenant) == [(kind, body["execution_id"]) for kind in ("message.accepted", *steps)]


def test_it_runs_until_meta_says_that_it_was_delivered(sender: Api) -> None:
    execution_id = ask(sender)
    assert shown(sender, execution_id)["status"] == "running"
    meta_tells(status(last(sender), "sent"))
    assert shown(sender, execution_id)["status"] == "running"
    meta_tells(status(last(sender), "delivered"))
    body = shown(sender, execution_id)
    assert (body["status"], body["provider_key"], body["delivery"]["status"]) == (
        "succeeded", "meta_whatsapp", "delivered",
    )  # fmt: skip


def test_what_meta_does_not_deliver_in_time_has_failed_and_was_sent_once(sender: Api, meta: GraphServer) -> None:
    execution_id = ask(sender)
    time_passes()
    body = shown(sender, execution_id)
    assert (body["status"], body["error"]["code"]) == ("failed", "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED")
    assert reasons(body) == [("meta_whatsapp", "failed", "not_delivered_in_time")]
    assert (len(meta.sent), used(sender.tenant)) == (1, 1)


def test_a_failure_that_meta_tells_later_ends_it_with_metas_code(sender: Api) -> None:
    execution_id = ask(sender)
    meta_tells(failure(last(sender), 131042))
    body = shown(sender, execution_id)
    assert (body["status"], body["delivery"]["status"]) == ("failed", "failed")
    assert reasons(body) == [("meta_whatsapp", "failed", "meta_131042")]
    assert body["delivery"]["timeline"][0]["code"] == "131042"


def test_a_recipient_whom_meta_cannot_reach_ends_it_by_the_code_that_it_means(sender: Api) -> None:
    execution_id = ask(sender)
    meta_tells(failure(last(sender), 131026))
    body = shown(sender, execution_id)
    assert (body["status"], body["error"]["code"]) == ("failed", "META_UNDELIVERABLE")
    assert [(each["class"], each["code"]) for each in body["attempts"]] == [("stop", "META_UNDELIVERABLE")]


def test_what_meta_tells_before_it_answers_is_known_by_our_id(sender: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = deliveries.accepted

    def after_the_webhook(delivery: Any, sent: Any) -> Any:
        body = written(change(phone=PHONE_NUMBER_ID, statuses=[
            status({"message_id": sent.message_id, "id": str(delivery.id)}, "delivered")
        ]), waba=WABA_ID)  # fmt: skip
        assert posting.post(body, secret=APP_SECRET).status_code == 200
        work_off()
        return accepted(delivery, sent)

    monkeypatch.setattr(deliveries, "accepted", after_the_webhook)
    body = shown(sender, ask(sender))
    assert (body["status"], body["delivery"]["status"]) == ("succeeded", "delivered")


def test_of_a_message_whose_answer_was_lost_is_shown_what_was_heard(sender: Api, meta: GraphServer) -> None:
    meta.lose_answer()
    execution_id = ask(sender)
    assert "delivery" not in shown(sender, execution_id)
    meta_tells(status({**last(sender), "message_id": "wamid.LOST"}, "read"))
    body = shown(sender, execution_id)
    assert (body["status"], body["delivery"]["status"], body["delivery"]["reference"]) == (
        "unknown", "read", "wamid.LOST",
    )  # fmt: skip


def test_a_message_that_no_execution_sent_asks_nothing_of_the_executions(sender: Api) -> None:
    Talk(sender).sent()
    with CaptureQueriesContext(connection) as asked:
        meta_tells(status(last(sender), "delivered"))
    assert [each["sql"] for each in asked if "execution_delivery" in each["sql"]] == []
    assert told_to(sender.tenant) == [("message.accepted", None), ("message.delivered", None)]


def test_of_many_statuses_in_one_body_each_moves_its_own_execution(sender: Api) -> None:
    ids = [ask(sender) for _ in range(3)]
    meta_tells(*(status(each, "delivered") for each in Talk(sender).deliveries()))
    assert [shown(sender, each)["status"] for each in ids] == ["succeeded"] * 3
    assert {each.type for each in events(sender.tenant)} == {"status"}


def test_a_failure_that_a_delivery_follows_in_the_same_body_keeps_its_reason(sender: Api) -> None:
    execution_id, now = ask(sender), time.time()
    message = last(sender)
    meta_tells(failure(message, 131026, at=now - 2), status(message, "delivered", now - 1))
    steps = {step["type"]: step["reason"] for step in shown(sender, execution_id)["delivery"]["timeline"]}
    assert steps == {"message.failed": "meta_131026", "message.delivered": None}


def test_an_execution_ends_before_its_message_is_told_as_read_though_both_come_in_one_body(sender: Api) -> None:
    posting.subscribe(sender, "*")
    ask(sender)
    now = time.time()
    meta_tells(*(status(last(sender), word, now - 5 + at) for at, word in enumerate(("sent", "delivered", "read"))))
    told = Event.objects.using("system").for_tenant(sender.tenant).order_by("id")
    kinds = [each.kind for each in told if each.kind in ("message.read", "execution.succeeded")]
    assert kinds == ["execution.succeeded", "message.read"]


def test_a_replay_moves_and_tells_nothing_twice(sender: Api) -> None:
    execution_id = ask(sender)
    meta_tells(status(last(sender), "delivered"))
    before, told = shown(sender, execution_id), told_to(sender.tenant)
    assert sender.post(f"/webhooks/{events(sender.tenant)[0].id}/replay").status_code == 202
    work()
    assert (shown(sender, execution_id), told_to(sender.tenant)) == (before, told)
    assert Execution.objects.using("system").count() == 1
