"""A subscription that fails on and on: its owner is warned, and after five days of it it is disabled."""

from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from tests.make import Api
from tests.telling.receiving import Receiver, a_receiver, happen, later, run, subscribe, work_off

HOUR, DAY = 3600, 86_400


def shown(api: Api, subscription: dict[str, Any]) -> dict[str, Any]:
    return dict(api.get(f"/webhook-subscriptions/{subscription['id']}").json())


def fail(tenant: UUID, receiver: Receiver, status: int = 500) -> None:
    """One event that is not delivered, and is not tried again."""
    receiver.says(status)
    happen(tenant)
    work_off()
    run("UPDATE telling_delivery SET status = 'dead', due_at = NULL WHERE type = %s", "credential.recovered")


def test_after_five_days_of_failures_it_is_disabled(api: Api, tenant: UUID, receiver: Receiver) -> None:
    made = subscribe(api, receiver, "credential.*")
    for hours in (0, 23, 23, 23, 23, 23):
        later(hours * HOUR)
        fail(tenant, receiver)
    told = shown(api, made)
    assert told["enabled"]
    since, end = (parse_datetime(told[name]) for name in ("failing_since", "will_be_disabled_at"))
    assert since is not None
    assert end is not None
    assert (end - since).total_seconds() == 5 * DAY
    later(6 * HOUR)
    fail(tenant, receiver)
    told = shown(api, made)
    assert (told["enabled"], told["disabled_reason"], told["will_be_disabled_at"]) == (False, "failing", None)


def test_a_failure_long_ago_and_one_now_disable_nothing(api: Api, tenant: UUID, receiver: Receiver) -> None:
    made = subscribe(api, receiver, "credential.*")
    for hours in (0, 8, 8, 8):
        later(hours * HOUR)
        fail(tenant, receiver)
    later(2 * DAY)
    assert shown(api, made)["will_be_disabled_at"] is None, "nothing is failing now"
    later(5 * DAY)
    fail(tenant, receiver, 502)
    told = shown(api, made)
    assert told["enabled"]
    since, changed = parse_datetime(told["failing_since"]), parse_datetime(made["created_at"])
    assert since is not None
    assert changed is not None
    assert since > changed, "it counts from this one"


def test_one_success_in_between_begins_the_five_days_anew(api: Api, tenant: UUID, receiver: Receiver) -> None:
    made = subscribe(api, receiver)
    for status in (500, 500, 500, 500, 500, 200, 500, 500):
        fail(tenant, receiver, status)
        later(23 * HOUR)
    assert shown(api, made)["enabled"]


def test_its_owner_is_warned_elsewhere_once_after_an_hour_of_failures(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    made = subscribe(api, receiver, "credential.*")
    with a_receiver() as watcher:
        subscribe(api, watcher, "webhook_subscription.*")
        for minutes, warnings in ((0, 0), (30, 0), (29, 0), (2, 1), (600, 1), (600, 1)):
            later(minutes * 60)
            fail(tenant, receiver)
            work_off()
            assert len(watcher.received) == warnings, f"after {minutes} minutes more"
        told = watcher.received[0].told
        assert told["type"] == "webhook_subscription.failing"
        assert told["data"].keys() == {"subscription_id", "failing_since", "will_be_disabled_at"}
        assert told["data"]["subscription_id"] == made["id"]
        fail(tenant, receiver, 200)
        for _ in range(2):
            fail(tenant, receiver)
            later(61 * 60)
        fail(tenant, receiver)
        work_off()
        assert watcher.types == ["webhook_subscription.failing"] * 2, "another stretch, another warning"


def test_another_address_has_failed_at_nothing(api: Api, tenant: UUID, receiver: Receiver) -> None:
    made = subscribe(api, receiver, "credential.*")
    one = f"/webhook-subscriptions/{made['id']}"
    for hours in (0, 23, 23, 23, 23, 23):
        later(hours * HOUR)
        fail(tenant, receiver)
    same = api.patch(one, {"url": receiver.url, "description": "our shop"}).json()
    assert same["failing_since"], "nothing has changed"
    changed = api.patch(one, {"url": f"{receiver.url}/v2"}).json()
    assert (changed["failing_since"], changed["will_be_disabled_at"]) == (None, None)
    later(6 * HOUR)
    fail(tenant, receiver)
    assert shown(api, made)["enabled"]


def test_another_address_is_not_left_alone_for_what_the_one_before_asked_for(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    made = subscribe(api, receiver, "credential.*")
    fail(tenant, receiver, 503)
    happen(tenant)
    assert work_off() == 0
    with a_receiver() as elsewhere:
        api.patch(f"/webhook-subscriptions/{made['id']}", {"url": elsewhere.url})
        assert work_off() == 1
        assert elsewhere.types == ["credential.recovered"]
