"""`/webhook-subscriptions`: made, seen, changed, tested, rotated, replayed, removed."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from standardwebhooks import WebhookVerificationError

from integrationhub.webhooks.telling import subscribing
from integrationhub.webhooks.telling.models import Subscription
from tests.audit.reading import said
from tests.make import Api, another_tenant
from tests.telling.receiving import Receiver, deliveries, happen, later, run, subscribe, work_off

HOUR, DAY = 3600, 86_400


def test_a_new_one_shows_its_secret_once(api: Api, tenant: UUID, receiver: Receiver) -> None:
    made = subscribe(api, receiver, "message.*", "execution.failed", description="our shop")
    assert made["secret"].startswith("whsec_")
    assert {name: made[name] for name in ("url", "event_types", "description", "enabled", "ordered")} == {
        "url": receiver.url,
        "event_types": ["execution.failed", "message.*"],
        "description": "our shop",
        "enabled": True,
        "ordered": False,
    }
    shown = api.get(f"/webhook-subscriptions/{made['id']}")
    assert shown.json() == {name: value for name, value in made.items() if name != "secret"}
    assert api.get("/webhook-subscriptions").json()["data"] == [shown.json()]
    assert said(tenant) == [("subscription.created", "tester")]


def test_its_secret_is_sealed_in_the_database(api: Api, tenant: UUID, receiver: Receiver) -> None:
    secret = subscribe(api, receiver)["secret"]
    row = Subscription.objects.using("system").get()
    assert row.sealed
    assert subscribing.shown(bytes(row.sealed)) != secret
    assert secret.removeprefix("whsec_").encode() not in bytes(row.sealed)


def test_a_repeat_under_a_key_makes_no_second_one_and_tells_the_same_secret(api: Api, receiver: Receiver) -> None:
    body = {"url": receiver.url, "event_types": ["*"]}
    key = {"Idempotency-Key": str(uuid4())}
    first, second = (api.post("/webhook-subscriptions", body, headers=key) for _ in range(2))
    assert first.content == second.content
    assert len(api.get("/webhook-subscriptions").json()["data"]) == 1


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"url": "ftp://files.example/x"}, "url"),
        ({"url": "https://user:password@host.example/x"}, "url"),
        ({"url": "not an address"}, "url"),
        ({"url": None}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["message.teleported"]}, "event_types"),
        ({"event_types": ["mess*"]}, "event_types"),
        ({"event_types": "message.sent"}, "event_types"),
        ({"description": "x" * 201}, "description"),
        ({"enabled": "perhaps"}, "enabled"),
    ],
)
def test_what_cannot_be_is_refused_by_name(api: Api, receiver: Receiver, over: dict[str, Any], field: str) -> None:
    answer = api.post("/webhook-subscriptions", {"url": receiver.url, "event_types": ["*"], **over})
    assert answer.status_code == 400
    assert {fault["field"].partition(".")[0] for fault in answer.json()["details"]["fields"]} == {field}


def test_http_is_refused_where_no_network_is_opened(api: Api, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    for scheme, status in (("http", 400), ("https", 201)):
        body = {"url": f"{scheme}://tenant.example/x", "event_types": ["*"]}
        assert api.post("/webhook-subscriptions", body).status_code == status


def test_a_tenant_has_twenty_at_most(api: Api, receiver: Receiver) -> None:
    for _ in range(subscribing.MOST_SUBSCRIPTIONS):
        subscribe(api, receiver)
    answer = api.post("/webhook-subscriptions", {"url": receiver.url, "event_types": ["*"]})
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "too_many_subscriptions")
    other = another_tenant()
    assert subscribe(other, receiver)


def test_a_user_sees_none_of_it(api: Api, receiver: Receiver) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"
    user = api.as_role("user")
    for method, path in (("GET", "/webhook-subscriptions"), ("GET", one), ("DELETE", one), ("POST", f"{one}/test")):
        assert user.request(method, path, {}).status_code == 403
    assert api.as_role("organizer").request("DELETE", one).status_code == 204


def test_a_change_holds_for_what_happens_after_it(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscription_id = subscribe(api, receiver, "credential.*")["id"]
    changed = api.patch(f"/webhook-subscriptions/{subscription_id}", {"event_types": ["template.*"], "ordered": True})
    assert (changed.json()["event_types"], changed.json()["ordered"]) == (["template.*"], True)
    happen(tenant, "credential.failing")
    happen(tenant, "template.synced")
    work_off()
    assert receiver.types == ["template.synced"]
    assert ("subscription.changed", "tester") in said(tenant)


def test_while_it_is_disabled_events_are_skipped_and_sent_when_somebody_asks_for_them(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"
    happen(tenant, "credential.failing")
    disabled = api.patch(one, {"enabled": False}).json()
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "by_request")
    happen(tenant, "credential.recovered")
    work_off()
    assert (receiver.received, [row.status for row in deliveries(tenant)]) == ([], ["skipped", "skipped"])
    refused = api.post(f"{one}/replay", {"since": "2026-01-01T00:00:00Z"})
    assert (refused.status_code, refused.json()["details"]["reason"]) == (400, "not_enabled")
    enabled = api.patch(one, {"enabled": True}).json()
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    work_off()
    assert receiver.received == [], "nobody has asked for it"
    replayed = api.post(f"{one}/replay", {"since": "2026-01-01T00:00:00Z"})
    assert (replayed.status_code, replayed.json()) == (202, {"replayed": 2})
    work_off()
    assert sorted(receiver.types) == ["credential.failing", "credential.recovered"]
    assert {each.headers["x-hub-replay"] for each in receiver.received} == {"1"}
    assert ("subscription.replayed", "tester") in said(tenant)


def test_a_replay_takes_only_what_was_not_delivered_since_then(api: Api, tenant: UUID, receiver: Receiver) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"
    happen(tenant, "credential.recovered")
    work_off()
    receiver.says(500)
    happen(tenant, "credential.failing")
    run("UPDATE telling_delivery SET status = 'dead', due_at = NULL WHERE status = 'pending'")
    receiver.says(200)
    assert api.post(f"{one}/replay", {"since": "2999-01-01T00:00:00Z"}).json() == {"replayed": 0}
    assert api.post(f"{one}/replay", {"since": "0001-01-01T00:00:00Z"}).json() == {"replayed": 1}
    work_off()
    assert receiver.types == ["credential.recovered", "credential.failing"]


def test_after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one_alone(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    made = subscribe(api, receiver)
    answer = api.post(f"/webhook-subscriptions/{made['id']}/rotate-secret")
    rotated = answer.json()
    assert answer.status_code == 200
    assert rotated["previous_secret_until"]
    happen(tenant)
    work_off()
    later(DAY + 60)
    happen(tenant)
    work_off()
    during, after = receiver.received
    assert during.verified_by(made["secret"]) == during.verified_by(rotated["secret"])
    assert len(during.headers["webhook-signature"].split(" ")) == 2
    assert after.verified_by(rotated["secret"])
    with pytest.raises(WebhookVerificationError):
        after.verified_by(made["secret"])
    assert ("subscription.secret_rotated", "tester") in said(tenant)


def verifies(received: Any, secret: str) -> bool:
    try:
        received.verified_by(secret)
    except WebhookVerificationError:
        return False
    return True


def test_a_second_rotation_cuts_off_neither_of_the_secrets_before(api: Api, tenant: UUID, receiver: Receiver) -> None:
    made = subscribe(api, receiver)
    one = f"/webhook-subscriptions/{made['id']}"
    second = api.post(f"{one}/rotate-secret", {"overlap_seconds": 3 * HOUR}).json()
    third = api.post(f"{one}/rotate-secret", {"overlap_seconds": HOUR}).json()
    assert third["previous_secret_until"] == second["previous_secret_until"], "the later of the two"
    secrets = [made["secret"], second["secret"], third["secret"]]
    signs = []
    for hours in (0, 2, 2):
        later(hours * HOUR)
        happen(tenant)
        work_off()
        signs.append([verifies(receiver.received[-1], secret) for secret in secrets])
    assert signs == [[True, True, True], [True, False, True], [False, False, True]]
    assert api.get(one).json()["previous_secret_until"] is None


def test_a_third_one_waits_until_one_of_them_has_ended_but_not_if_one_has_leaked(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    made = subscribe(api, receiver)
    one = f"/webhook-subscriptions/{made['id']}/rotate-secret"
    before = [api.post(one, {"overlap_seconds": hours * HOUR}).json() for hours in (2, 5)]
    refused = api.post(one)
    details = refused.json()["details"]
    assert (refused.status_code, details["reason"]) == (409, "rotations_under_way")
    assert details["until"] == before[0]["previous_secret_until"]
    assert 2 * HOUR - 60 < int(refused["Retry-After"]) <= 2 * HOUR
    happen(tenant)
    work_off()
    assert verifies(receiver.received[-1], before[1]["secret"]), "nothing has changed"
    later(2 * HOUR + 1)
    third = api.post(one).json()["secret"]
    fourth = api.post(one, {"overlap_seconds": 0}).json()
    assert fourth["previous_secret_until"] is None
    happen(tenant)
    work_off()
    told = [made["secret"], *(each["secret"] for each in before), third, fourth["secret"]]
    assert [verifies(receiver.received[-1], secret) for secret in told] == [False, False, False, False, True]


def test_a_secret_that_has_leaked_ends_at_once(api: Api, tenant: UUID, receiver: Receiver) -> None:
    made = subscribe(api, receiver)
    one = f"/webhook-subscriptions/{made['id']}/rotate-secret"
    rotated = api.post(one, {"overlap_seconds": 0}).json()
    happen(tenant)
    work_off()
    assert rotated["previous_secret_until"] is None
    assert receiver.received[0].verified_by(rotated["secret"])
    with pytest.raises(WebhookVerificationError):
        receiver.received[0].verified_by(made["secret"])
    assert api.post(one, {"overlap_seconds": -1}).status_code == 400


def test_a_test_is_sent_now_and_tells_what_the_receiver_said(api: Api, tenant: UUID, receiver: Receiver) -> None:
    made = subscribe(api, receiver, "message.*")
    sent = api.post(f"/webhook-subscriptions/{made['id']}/test")
    assert (sent.status_code, sent.json()["status"], sent.json()["type"]) == (
        200,
        "delivered",
        "webhook_subscription.test",
    )
    told = receiver.received[0].verified_by(made["secret"])
    assert (told["type"], told["data"]) == ("webhook_subscription.test", {"subscription_id": made["id"]})
    receiver.says(500)
    failed = api.post(f"/webhook-subscriptions/{made['id']}/test").json()
    assert failed["status"] == "dead"
    shown = api.get(f"/webhooks/{failed['id']}").json()
    assert [(each["outcome"], each["upstream_status"]) for each in shown["attempts"]] == [("failed", 500)]
    later(DAY)
    work_off()
    assert len(receiver.received) == 2, "a test is tried once"


def test_a_test_reaches_no_other_subscription_and_a_disabled_one_too(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    subscribe(api, receiver, "*")
    disabled = subscribe(api, receiver, "message.*", enabled=False)
    assert api.post(f"/webhook-subscriptions/{disabled['id']}/test").json()["status"] == "delivered"
    work_off()
    assert len(receiver.received) == 1


def test_what_is_removed_is_told_nothing_and_what_it_was_told_stays_to_be_seen(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"
    happen(tenant, "credential.failing")
    assert api.delete(one).status_code == 204
    assert api.get(one).status_code == api.delete(one).status_code == 404
    happen(tenant, "credential.recovered")
    assert work_off() == 0
    [row] = api.get("/webhooks?direction=out").json()["data"]
    assert (row["type"], row["status"]) == ("credential.failing", "skipped")
    refused = api.post(f"/webhooks/{row['id']}/replay")
    assert (refused.status_code, refused.json()["details"]["reason"]) == (400, "subscription_removed")
    assert not Subscription.objects.using("system").exists()


def test_another_tenants_is_not_there(api: Api, receiver: Receiver) -> None:
    one = f"/webhook-subscriptions/{subscribe(api, receiver)['id']}"
    answer = another_tenant().get(one)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (404, "subscription_not_found")
