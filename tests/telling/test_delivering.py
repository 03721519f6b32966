"""Events reach a tenant's own address: signed, tried again, given up, in order where that is asked for."""

from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import WebhookVerificationError

from integrationhub.webhooks.telling import delivering
from tests.isolation.walls import ROW_SECURITY, without
from tests.make import Api, another_tenant
from tests.providers import conformance
from tests.telling.receiving import Receiver, a_receiver, deliveries, happen, later, run, subscribe, work_off

HOUR, DAY = 3600, 86_400


def statuses(tenant: UUID) -> list[tuple[str, str]]:
    return [(each.type, each.status) for each in deliveries(tenant)]


def test_an_event_is_told_signed_as_the_standards_own_library_has_it(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    secret = subscribe(api, receiver)["secret"]
    happen(tenant, "credential.recovered", credential_id="c-1", provider_key="twilio_sms")
    assert work_off() == 1
    [got] = receiver.received
    told = got.verified_by(secret)
    assert told == {
        "type": "credential.recovered",
        "timestamp": told["timestamp"],
        "data": {"credential_id": "c-1", "provider_key": "twilio_sms"},
    }
    assert (got.path, got.headers["content-type"]) == ("/hooks/of-a-tenant", "application/json")
    [row] = deliveries(tenant)
    assert (got.id, row.status, row.due_at) == (str(row.event_id), "delivered", None)
    with pytest.raises(WebhookVerificationError):
        got.verified_by("whsec_" + "A" * 43 + "=")


def test_what_is_delivered_is_not_sent_again(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscribe(api, receiver)
    happen(tenant)
    work_off()
    later(30 * DAY)
    assert work_off() == 0
    assert len(receiver.received) == 1


def test_a_subscription_is_told_of_what_it_asks_for_and_nobody_of_another_tenants(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    with a_receiver() as second, a_receiver() as theirs:
        subscribe(api, receiver, "credential.*", "template.synced")
        subscribe(api, second, "template.status_changed")
        subscribe(another_tenant(), theirs)
        for kind in ("credential.failing", "template.synced", "template.status_changed", "provider.circuit_opened"):
            happen(tenant, kind)
        work_off()
        assert sorted(receiver.types) == ["credential.failing", "template.synced"]
        assert second.types == ["template.status_changed"]
        assert theirs.types == []


@pytest.mark.parametrize("walls", [(), (ROW_SECURITY,)], ids=["both walls", "the query alone"])
def test_no_event_goes_to_another_tenants_subscription(
    tenant: UUID, receiver: Receiver, walls: tuple[str, ...]
) -> None:
    subscribe(another_tenant(), receiver)
    with without(*walls):
        happen(tenant)
    assert (work_off(), deliveries(tenant)) == (0, [])


def test_a_tenant_without_a_subscription_has_no_deliveries(tenant: UUID) -> None:
    happen(tenant)
    assert (work_off(), deliveries(tenant)) == (0, [])


def test_ten_tries_over_a_day_each_under_the_same_id_and_then_it_is_dead(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    secret = subscribe(api, receiver, "credential.*")["secret"]
    receiver.says(500)
    happen(tenant)
    waited = 0.0
    for pause in (*delivering.PAUSES, 0):
        assert work_off() == 1
        if pause:
            later(pause * 0.85 - 1)  # A second is ours to get there.
            assert work_off() == 0, "sooner than its jitter allows"
            later(pause * 0.3 + 1)
        waited += pause
    assert 22 * HOUR < waited < 26 * HOUR
    assert len(receiver.received) == 10
    assert len({each.id for each in receiver.received}) == 1
    assert len({each.body for each in receiver.received}) == 1
    assert all(each.verified_by(secret) for each in receiver.received)
    [row] = deliveries(tenant)
    assert (row.status, row.due_at, len(row.attempts)) == ("dead", None, 10)
    later(30 * DAY)
    assert work_off() == 0


def test_it_is_delivered_by_a_later_try_and_the_row_tells_of_each(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscribe(api, receiver)
    receiver.says(503)
    happen(tenant)
    work_off()
    receiver.says(200)
    later(6)
    work_off()
    [row] = deliveries(tenant)
    told = [(each["outcome"], each["upstream_status"], each["error"]) for each in row.attempts]
    assert told == [("failed", 503, "upstream_503"), ("delivered", 200, "")]
    assert all(each["latency_ms"] >= 0 and each["at"].endswith("Z") for each in row.attempts)


@pytest.mark.parametrize("status", [302, 304, 400, 404, 500])
def test_whatever_is_no_2xx_is_a_failure_and_no_redirect_is_followed(
    api: Api, tenant: UUID, receiver: Receiver, status: int
) -> None:
    with a_receiver() as elsewhere:
        subscribe(api, receiver)
        receiver.says(status, Location=elsewhere.url)
        happen(tenant)
        work_off()
        assert elsewhere.received == []
    [row] = deliveries(tenant)
    assert (row.status, row.attempts[0]["error"]) == ("pending", f"upstream_{status}")


def test_a_receiver_that_is_not_there_is_tried_again(api: Api, tenant: UUID) -> None:
    with conformance.refusing() as nobody:
        subscribe(api, Receiver(nobody))
        happen(tenant)
        work_off()
    [row] = deliveries(tenant)
    assert (row.status, row.attempts[0]["upstream_status"], row.attempts[0]["error"]) == ("pending", None, "refused")


def test_an_address_inside_is_never_dialled(api: Api, tenant: UUID, receiver: Receiver, settings: Any) -> None:
    subscribe(api, receiver)
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    delivering.client.cache_clear()
    happen(tenant)
    work_off()
    assert receiver.received == []
    [row] = deliveries(tenant)
    assert row.attempts[0]["error"] == "refused"


def test_retry_after_is_honoured_for_all_that_the_receiver_is_to_be_sent(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    subscribe(api, receiver)
    receiver.says(429, Retry_After="120")
    happen(tenant)
    work_off()
    receiver.says(200)
    happen(tenant)
    later(100)
    assert work_off() == 0
    later(25)
    assert work_off() == 1
    assert [each.status for each in deliveries(tenant)] == ["delivered", "delivered"]


@pytest.mark.parametrize(("asked_for", "hours"), [(2 * HOUR, 2), (30 * HOUR, 6)])
def test_retry_after_is_honoured_up_to_six_hours(
    api: Api, tenant: UUID, receiver: Receiver, asked_for: int, hours: int
) -> None:
    subscribe(api, receiver, "credential.*")
    receiver.says(503, Retry_After=str(asked_for))
    happen(tenant)
    work_off()
    receiver.says(200)
    happen(tenant)
    later(hours * HOUR - 60)
    assert work_off() == 0, "nothing at all is sent before"
    later(61)
    assert work_off() == 1
    assert [each.status for each in deliveries(tenant)] == ["delivered", "delivered"]


def test_410_disables_at_once_and_the_owner_is_told_elsewhere(api: Api, tenant: UUID, receiver: Receiver) -> None:
    with a_receiver() as watcher:
        subscription_id = subscribe(api, receiver)["id"]
        subscribe(api, watcher, "webhook_subscription.disabled")
        receiver.says(410)
        happen(tenant)
        work_off()
        happen(tenant)
        work_off()
        told = watcher.received[0].told["data"]
        assert told == {"subscription_id": subscription_id, "reason": "gone", "failing_since": None}
    assert len(receiver.received) == 1
    shown = api.get(f"/webhook-subscriptions/{subscription_id}").json()
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "gone")
    skipped = [each for each in deliveries(tenant) if str(each.subscription_id) == subscription_id]
    assert {each.status for each in skipped} == {"skipped"}


def test_of_one_thing_the_next_waits_for_the_one_before_where_order_is_asked_for(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    subscribe(api, receiver, ordered=True)
    fails = {"a": 2, "b": 0}

    def answer(received: Any) -> tuple[int, dict[str, str]]:
        name = received.told["data"]["execution_id"]
        fails[name] -= 1
        return (500 if fails[name] >= 0 else 200), {}

    receiver.answer = answer
    for number in range(3):
        for name in ("a", "b"):
            happen(tenant, "execution.failed", execution_id=name, number=number)
    for _ in range(3):
        work_off()
        later(400)
    order = [(each.told["data"]["execution_id"], each.told["data"]["number"]) for each in receiver.received]
    assert [number for name, number in order if name == "a"] == [0, 0, 0, 1, 2]
    assert [number for name, number in order if name == "b"] == [0, 1, 2], "another thing does not wait for it"
    assert order.index(("b", 2)) < order.index(("a", 1))


def test_a_dead_one_holds_up_nothing_in_an_ordered_subscription(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscribe(api, receiver, ordered=True)
    receiver.says(500)
    for number in range(2):
        happen(tenant, "execution.failed", execution_id="a", number=number)
    run("UPDATE telling_delivery SET tries = 9 WHERE id = (SELECT min(id::text)::uuid FROM telling_delivery)")
    work_off()
    later(10)
    receiver.says(200)
    work_off()
    assert [each.status for each in deliveries(tenant)] == ["dead", "delivered"]


def test_a_worker_that_dies_costs_a_lease_and_one_try(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscription_id = UUID(subscribe(api, receiver)["id"])
    happen(tenant)
    run("UPDATE telling_subscription SET takes = 7, free_at = now() + interval '30 seconds'")
    run("UPDATE telling_delivery SET tries = 1, due_at = now() + interval '30 seconds'")
    assert work_off() == 0
    later(31)
    assert work_off() == 1
    assert (subscription_id, [each.status for each in deliveries(tenant)]) == (subscription_id, ["delivered"])
