"""`options.success_status` and `fallback_after_ms`: the chain goes on where an accepted message does not arrive."""

import json
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import redis
from django.conf import settings
from django.db import connections
from django.db.models.functions import Now

from integrationhub.execution import circuits, settling, tasks
from integrationhub.execution.models import Delivery, Execution
from integrationhub.outbox.models import Event, OutboxMessage
from marketplace.models import Usage
from tests.execution.test_carriers import NUMBER, installed
from tests.flows.test_schedule import at, later
from tests.make import Api, keyed, sms
from tests.providers.carriers import Asked, Told, TwilioServer, VonageServer
from tests.webhooks.posting import subscribe, work_off
from tests.webhooks.test_carriers import SECRET, following, told_by_twilio

RUN = {
    f"integrationhub.execution.tasks.{name}": getattr(tasks, name)
    for name in ("run_execution", "go_on", "look_at_delivery")
}
CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
DELIVERED = {"success_status": "delivered", "fallback_after_ms": 60_000}


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        yield server
        assert server.faults == []


@pytest.fixture
def vonage() -> Iterator[VonageServer]:
    with VonageServer() as server:
        server.credentials = {**server.credentials, "signature_secret": SECRET}
        yield server
        assert server.faults == []


@pytest.fixture
def both(api: Api, twilio: TwilioServer, vonage: VonageServer) -> Api:
    """Twilio first and Vonage second, both with an address."""
    following(api, twilio)
    return following(api, vonage)


def work() -> None:
    """What relay and workers do until nothing is left that is due."""
    for _ in range(10):
        done = list(OutboxMessage.objects.using("system").filter(queue="execute"))
        OutboxMessage.objects.using("system").filter(id__in=[each.id for each in done]).delete()
        for each in done:
            RUN[each.task](**each.arguments)
        if not done + [None] * work_off():
            return


def ask(api: Api, **options: Any) -> str:
    answer = api.post("/execute", sms(NUMBER, **{**DELIVERED, **options}))
    assert answer.status_code == 202, answer.content
    work()
    return str(answer.json()["execution_id"])


def shown(api: Api, execution_id: str) -> Any:
    return api.get(f"/executions/{execution_id}").json()


def last(twilio: TwilioServer) -> tuple[str, str]:
    """The address that the last sending named, and the id that it was answered."""
    sent = Delivery.objects.using("system").filter(provider_key="twilio_sms").order_by("-id").first()
    assert sent is not None
    return sendings(twilio)[-1].form["StatusCallback"], sent.reference


def sendings(carrier: TwilioServer | VonageServer) -> list[Asked]:
    return [asked for asked in carrier.asked if asked.method == "POST"]


def tell(twilio: TwilioServer, status: str, **more: str) -> None:
    url, sid = last(twilio)
    assert told_by_twilio(url, sid, status, **more).status_code == 200
    work()


def time_passes() -> None:
    """As if `fallback_after_ms` were over."""
    Delivery.objects.using("system").filter(due_at__isnull=False).update(due_at=Now(), look_at=Now())
    settling.settle()
    work()


def reasons(body: Any) -> list[tuple[str, str, str | None]]:
    return [(each["provider_key"], each["outcome"], each["reason"]) for each in body["attempts"]]


def decisions(body: Any) -> list[tuple[str, str | None]]:
    return [(each["decision"], each["reason"]) for each in body["routing"]["providers"][:2]]


def used(tenant: UUID) -> int:
    return sum(Usage.objects.using("system").filter(tenant_id=tenant).values_list("used", flat=True))


def test_it_runs_until_the_provider_says_that_it_was_delivered(both: Api, twilio: TwilioServer) -> None:
    execution_id = ask(both)
    body = shown(both, execution_id)
    assert (body["status"], body["provider_key"], body["delivery"]["status"]) == ("running", "twilio_sms", "accepted")
    assert decisions(body) == [("awaited", None), ("not_reached", "not_ended")]
    tell(twilio, "sent")
    assert shown(both, execution_id)["status"] == "running"
    tell(twilio, "delivered")
    body = shown(both, execution_id)
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "twilio_sms", False)
    assert reasons(body) == [("twilio_sms", "succeeded", None)]
    assert decisions(body) == [("delivered", None), ("not_reached", "delivered_before")]
    assert body["duration_ms"] is not None
    time_passes()
    assert shown(both, execution_id) == body
    assert Execution.objects.using("system").get(id=execution_id).sealed_payload is None


def test_sent_is_enough_where_that_was_asked(both: Api, twilio: TwilioServer) -> None:
    execution_id = ask(both, success_status="sent")
    tell(twilio, "sent")
    tell(twilio, "undelivered", ErrorCode="30003")
    body = shown(both, execution_id)
    assert (body["status"], body["delivery"]["status"]) == ("succeeded", "failed")


def test_what_is_not_there_in_time_is_sent_by_the_next_and_a_late_delivery_is_shown(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id = ask(both, success_status="sent")
    time_passes()
    body = shown(both, execution_id)
    assert reasons(body) == [("twilio_sms", "failed", "not_delivered_in_time"), ("vonage_sms", "succeeded", None)]
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("running", "vonage_sms", True)
    tell(twilio, "delivered")
    body = shown(both, execution_id)
    assert body["status"] == "running", "of the second message nothing is known"
    assert body["delivery"]["status"] == "delivered"
    assert [told["provider_key"] for told in body["delivery"]["timeline"]] == ["twilio_sms"]
    time_passes()
    body = shown(both, execution_id)
    assert (body["status"], body["provider_key"], body["fallback_used"]) == ("succeeded", "twilio_sms", False)
    assert (len(sendings(twilio)), len(sendings(vonage))) == (1, 1)
    assert used(both.tenant) == 1


def test_a_failure_after_acceptance_goes_on_at_once_with_its_reason(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id = ask(both)
    tell(twilio, "undelivered", ErrorCode="30003")
    assert reasons(shown(both, execution_id)) == [
        ("twilio_sms", "failed", "twilio_30003"),
        ("vonage_sms", "succeeded", None),
    ]
    assert vonage.hits == 1


def test_where_none_delivered_all_have_failed_and_one_unit_is_used(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id = ask(both)
    for _ in range(3):
        time_passes()
    body = shown(both, execution_id)
    assert (body["status"], body["error"]["code"]) == ("failed", "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED")
    assert [reason for _, _, reason in reasons(body)] == ["not_delivered_in_time"] * 2
    assert (len(sendings(twilio)), len(sendings(vonage)), used(both.tenant)) == (1, 1, 1)


def test_a_refusal_before_acceptance_falls_back_as_ever(both: Api, twilio: TwilioServer, vonage: VonageServer) -> None:
    twilio.answer = lambda _: Told(503)
    execution_id = ask(both)
    body = shown(both, execution_id)
    assert reasons(body) == [("twilio_sms", "failed", "upstream_503"), ("vonage_sms", "succeeded", None)]
    assert body["status"] == "running"


def test_what_is_told_before_the_acceptance_is_written_settles_it(both: Api, twilio: TwilioServer) -> None:
    def tell_first(asked: Asked) -> Told:
        answer = twilio.acceptance(asked)
        told_by_twilio(asked.form["StatusCallback"], answer.body["sid"], "delivered")
        work_off()
        connections.close_all()
        return answer

    twilio.answer = tell_first
    assert shown(both, ask(both))["status"] == "succeeded"


def test_a_provider_that_can_be_asked_is_asked_before_it_is_given_up(api: Api, twilio: TwilioServer) -> None:
    """Without an address for its callbacks."""
    installed(api, twilio)
    status = "sent"

    def answer(asked: Asked) -> Told | None:
        sid = asked.path.rpartition("/")[2].removesuffix(".json")
        return Told(200, {"sid": sid, "status": status}) if asked.method == "GET" else None

    twilio.answer = answer
    execution_id = ask(api)
    Delivery.objects.using("system").update(look_at=Now())
    settling.settle()
    work()
    body = shown(api, execution_id)
    assert (body["status"], body["delivery"]["status"]) == ("running", "sent")
    status = "delivered"
    time_passes()
    body = shown(api, execution_id)
    assert body["status"] == "succeeded"
    assert [told["webhook_id"] for told in body["delivery"]["timeline"]] == [None, None]


def test_the_moment_of_the_fallback_and_of_the_delivery_have_one_outcome(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    for _ in range(5):
        vonage_before = vonage.hits
        execution_id = ask(both)
        url, sid = last(twilio)
        told_by_twilio(url, sid, "delivered")
        Delivery.objects.using("system").filter(execution_id=execution_id).update(due_at=Now(), look_at=Now())
        settling.settle()
        [looking] = OutboxMessage.objects.using("system").filter(task__endswith="look_at_delivery")
        barrier, failures = threading.Barrier(2), []

        def run(deed: Any) -> None:
            barrier.wait()  # noqa: B023  Of this round.
            try:
                deed()
            except Exception as fault:  # noqa: BLE001
                failures.append(fault)  # noqa: B023
            finally:
                connections.close_all()

        deeds = (work_off, lambda: tasks.look_at_delivery(**looking.arguments))  # noqa: B023
        threads = [threading.Thread(target=run, args=[deed]) for deed in deeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        OutboxMessage.objects.using("system").filter(id=looking.id).delete()
        work()
        body = shown(both, execution_id)
        fell_back = vonage.hits - vonage_before
        assert (body["status"], len(body["attempts"])) == (("running", 2) if fell_back else ("succeeded", 1))


def test_what_comes_between_the_end_of_its_time_and_the_next_call_is_not_sent_again(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id = ask(both)
    Delivery.objects.using("system").update(due_at=Now(), look_at=Now())
    settling.settle()
    [looking] = OutboxMessage.objects.using("system").filter(task__endswith="look_at_delivery")
    tasks.look_at_delivery(**looking.arguments)
    url, sid = last(twilio)
    told_by_twilio(url, sid, "delivered")
    work_off()
    work()
    body = shown(both, execution_id)
    assert (body["status"], body["provider_key"], vonage.hits) == ("succeeded", "twilio_sms", 0)
    assert reasons(body) == [("twilio_sms", "failed", "not_delivered_in_time")]


def test_a_message_that_comes_twice_calls_nobody_twice(both: Api, twilio: TwilioServer, vonage: VonageServer) -> None:
    execution_id = ask(both)
    url, sid = last(twilio)
    told_by_twilio(url, sid, "failed")
    work_off()
    [going_on] = OutboxMessage.objects.using("system").filter(task__endswith="go_on")
    for _ in range(2):
        tasks.go_on(**going_on.arguments)
    assert vonage.hits == 1
    assert len(shown(both, execution_id)["attempts"]) == 2


def test_a_task_that_comes_again_in_the_middle_of_the_call_does_nothing(
    both: Api, twilio: TwilioServer, vonage: VonageServer
) -> None:
    execution_id = ask(both)
    url, sid = last(twilio)
    told_by_twilio(url, sid, "failed")
    work_off()
    [going_on] = OutboxMessage.objects.using("system").filter(task__endswith="go_on")

    def come_again(asked: Asked) -> None:
        tasks.go_on(**going_on.arguments)
        connections.close_all()

    vonage.answer = come_again
    tasks.go_on(**going_on.arguments)
    body = shown(both, execution_id)
    assert (body["status"], body["provider_key"], vonage.hits) == ("running", "vonage_sms", 1)


def test_a_next_provider_that_is_left_alone_for_a_moment_is_waited_for(both: Api, vonage: VonageServer) -> None:
    vonage.answer = lambda _: Told(429, headers={"Retry-After": "60"})
    assert both.post("/execute", sms(NUMBER, providers=["vonage_sms"], timeout_ms=1000)).status_code == 503
    vonage.answer, called = None, vonage.hits
    execution_id = ask(both)
    time_passes()
    body = shown(both, execution_id)
    assert (body["status"], len(body["attempts"]), vonage.hits) == ("running", 1, called)
    circuits.forget()
    with redis.Redis.from_url(settings.REDIS_URL) as client:  # As if that moment had passed.
        client.delete(*client.keys("hub:circuit:*"))
    Execution.objects.using("system").filter(id=execution_id).update(lease_until=Now())
    settling.settle()
    work()
    assert reasons(shown(both, execution_id))[1] == ("vonage_sms", "succeeded", None)
    assert vonage.hits == called + 1


def test_a_worker_that_died_before_the_next_call_is_followed_by_another(both: Api, vonage: VonageServer) -> None:
    execution_id = ask(both)
    Delivery.objects.using("system").update(due_at=Now(), look_at=Now())
    settling.settle()
    [looking] = OutboxMessage.objects.using("system").filter(task__endswith="look_at_delivery")
    tasks.look_at_delivery(**looking.arguments)
    # The message to go on is lost with its worker.
    OutboxMessage.objects.using("system").filter(queue="execute").delete()
    Execution.objects.using("system").filter(id=execution_id).update(lease_until=Now())
    settling.settle()
    work()
    assert reasons(shown(both, execution_id))[1] == ("vonage_sms", "succeeded", None)
    assert vonage.hits == 1


def test_the_key_repeats_the_202_and_nothing_is_sent_twice(both: Api, twilio: TwilioServer) -> None:
    key = keyed()
    first, again = (both.post("/execute", sms(NUMBER, **DELIVERED), **key) for _ in range(2))
    work()
    assert (first.status_code, first.content) == (202, again.content)
    assert first["Location"].endswith(first.json()["execution_id"])
    assert twilio.hits == 1


def test_a_provider_of_which_nobody_would_hear_is_skipped(api: Api, vonage: VonageServer, twilio: TwilioServer) -> None:
    """Vonage without an address; Twilio can be asked."""
    installed(installed(api, vonage), twilio)
    answer = api.post("/execute/plan", sms(NUMBER, **DELIVERED)).json()
    assert [step["provider_key"] for step in answer["chain"]] == ["twilio_sms"]
    assert {"provider_key": "vonage_sms", "reason": "cannot_tell"} in answer["skipped"]
    refused = api.post("/execute", sms(NUMBER, **DELIVERED, providers=["vonage_sms"]))
    assert (refused.status_code, refused.json()["details"]["reason"]) == (503, "cannot_tell")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"fallback_after_ms": 5000}, "fallback_after_ms"),
        ({"success_status": "accepted", "fallback_after_ms": 5000}, "fallback_after_ms"),
        ({"success_status": "read"}, "success_status"),
        ({"success_status": "sent", "fallback_after_ms": 10}, "fallback_after_ms"),
    ],
)
def test_options_that_make_no_sense_are_named(api: Api, options: dict[str, Any], field: str) -> None:
    answer = api.post("/execute", sms(NUMBER, **options))
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == [f"options.{field}"]


def test_it_is_for_messages_alone(api: Api) -> None:
    body = {"category": "storage", "intent": "storage.get.ipfs", "payload": {"cid": CID}}
    answer = api.post("/execute", {**body, "options": {"success_status": "sent"}})
    assert answer.json()["details"]["fields"][0]["field"] == "options.success_status"


def test_what_has_expired_is_sent_by_nobody_else(both: Api, vonage: VonageServer) -> None:
    execution_id = ask(both, expires_at=at(seconds=60))
    later(60)
    time_passes()
    assert (shown(both, execution_id)["status"], vonage.hits) == ("failed", 0)


def test_each_step_is_told_to_the_tenant(both: Api, twilio: TwilioServer) -> None:
    subscribe(both, "message.failed")
    execution_id = ask(both)
    tell(twilio, "undelivered", ErrorCode="30003")
    [event] = Event.objects.using("system").for_tenant(both.tenant).filter(kind="message.failed")
    assert (event.data["execution_id"], event.data["reason"]) == (execution_id, "twilio_30003")
    assert NUMBER not in json.dumps(event.data)
