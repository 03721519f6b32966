"""Deliveries are seen beside what providers tell, and replayed like it; operators see both."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from integrationhub.core.ids import earliest_id
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import schedules
from integrationhub.outbox.models import Event
from integrationhub.webhooks.telling import tasks
from integrationhub.webhooks.telling.models import Delivery, Subscription
from tests.audit.reading import said
from tests.make import Api, another_tenant
from tests.telling.receiving import Receiver, deliveries, happen, later, run, subscribe, work_off
from tests.webhooks.posting import event_of


def listed(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"/webhooks{query}")
    assert answer.status_code == 200, answer.content
    return list(answer.json()["data"])


def test_one_list_shows_both_directions_and_its_filters_hold_for_both(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    subscription_id = subscribe(api, receiver, "credential.*", "template.*")["id"]
    happen(tenant, "credential.failing", credential_id="c-1")
    event_of(tenant)
    work_off()
    happen(tenant, "template.synced")
    assert [(row["direction"], row["type"], row["status"]) for row in listed(api)] == [
        ("out", "template.synced", "pending"),
        ("in", "message", "processed"),
        ("out", "credential.failing", "delivered"),
    ]
    row = listed(api, "?direction=out&status=delivered")[0]
    [event, _] = deliveries(tenant)
    assert (row["reference"], row["subscription_id"], row["provider_key"]) == (str(event.event_id), subscription_id, "")
    assert row["processed_at"]
    counts = {
        query: len(listed(api, query))
        for query in (
            "?direction=in",
            "?direction=out",
            "?type=template.synced",
            f"?subscription_id={subscription_id}",
            f"?subscription_id={uuid4()}",
            "?provider_key=meta_whatsapp",
            "?direction=out&provider_key=meta_whatsapp",
        )
    }
    assert list(counts.values()) == [1, 2, 1, 2, 0, 1, 0]
    assert listed(another_tenant()) == []


def test_its_pages_follow_each_other_whatever_the_direction(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscribe(api, receiver)
    for number in range(4):
        happen(tenant, "credential.failing", number=number)
        if number == 1:
            event_of(tenant)
    whole = [row["id"] for row in listed(api)]
    found, cursor = [], ""
    for _ in range(3):
        answer = api.get(f"/webhooks?limit=2{cursor}").json()
        found += [row["id"] for row in answer["data"]]
        cursor = f"&cursor={answer['next_cursor']}"
    assert len(whole) == 6, "what came in is told too"
    assert found == whole == sorted(whole, reverse=True)
    assert not answer["has_more"]


def test_one_is_shown_with_each_attempt_and_its_body_to_admins_alone(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    subscribe(api, receiver)
    happen(tenant, "credential.failing", credential_id="c-1")
    work_off()
    one = f"/webhooks/{listed(api)[0]['id']}"
    shown = api.get(one).json()
    [attempt] = shown["attempts"]
    assert (attempt["outcome"], attempt["upstream_status"], attempt["is_replay"]) == ("delivered", 204, False)
    assert shown["raw_body"] == receiver.received[0].body.decode()
    assert shown["signature"] is None
    assert api.as_role("organizer").get(one).json()["raw_body"] is None


def test_a_replay_is_sent_under_the_same_id_and_marked(api: Api, tenant: UUID, receiver: Receiver) -> None:
    secret = subscribe(api, receiver)["secret"]
    happen(tenant, "credential.failing")
    work_off()
    one = f"/webhooks/{listed(api)[0]['id']}"
    key = {"Idempotency-Key": str(uuid4())}
    answers = [api.as_role("organizer").post(f"{one}/replay", headers=key) for _ in range(2)]
    assert [(answer.status_code, answer.json()["status"], answer.json()["replays"]) for answer in answers] == [
        (202, "pending", 1)
    ] * 2
    work_off()
    first, again = receiver.received
    assert (first.id, first.body) == (again.id, again.body)
    assert again.verified_by(secret)
    assert ("x-hub-replay" in first.headers, again.headers["x-hub-replay"]) == (False, "1")
    assert [attempt["is_replay"] for attempt in api.get(one).json()["attempts"]] == [False, True]
    assert ("webhook.replayed", "tester") in said(tenant)


def test_another_tenants_is_neither_shown_nor_replayed(api: Api, tenant: UUID, receiver: Receiver) -> None:
    subscribe(api, receiver)
    happen(tenant)
    one = f"/webhooks/{listed(api)[0]['id']}"
    stranger = another_tenant()
    for answer in (stranger.get(one), stranger.post(f"{one}/replay")):
        assert (answer.status_code, answer.json()["code"]) == (404, "ERR_WEBHOOK_NOT_FOUND")


SECRET_PATH = "/hooks/of-a-tenant"


def test_operators_see_hosts_and_no_addresses_and_no_secrets(
    api: Api, tenant: UUID, receiver: Receiver, operator: Any
) -> None:
    secret = subscribe(api, receiver)["secret"]
    happen(tenant)
    work_off()
    [subscription] = Subscription.objects.using("system").all()
    [delivery] = deliveries(tenant)
    pages = {
        path: operator.get(f"/admin/telling/{path}").content.decode()
        for path in (
            "subscription/",
            f"subscription/{subscription.id}/change/",
            "delivery/",
            f"delivery/{delivery.id}/change/",
        )
    }
    for page in pages.values():
        assert str(tenant) in page
        assert SECRET_PATH not in page
        assert secret.removeprefix("whsec_") not in page
    assert "http://127.0.0.1:" in pages["subscription/"]
    assert "204" in pages[f"delivery/{delivery.id}/change/"]


def test_operators_find_it_under_a_name_that_says_what_it_is(
    api: Api, tenant: UUID, receiver: Receiver, operator: Any
) -> None:
    subscribe(api, receiver)
    [subscription] = Subscription.objects.using("system").all()
    for path in ("", "telling/", "telling/subscription/", f"telling/subscription/{subscription.id}/change/"):
        page = operator.get(f"/admin/{path}").content.decode()
        assert "Webhook subscriptions" in page
        assert "Telling" not in page


def test_an_operator_enables_and_replays(api: Api, tenant: UUID, receiver: Receiver, operator: Any) -> None:
    subscription_id = subscribe(api, receiver)["id"]
    receiver.says(410)
    happen(tenant, "credential.failing")
    work_off()
    [chosen] = [row for row in deliveries(tenant) if row.type == "credential.failing"]
    act = {"action": "replay", "_selected_action": [str(chosen.id)]}
    refused = operator.post("/admin/telling/delivery/", act, follow=True).content.decode()
    assert "Enable the subscription first" in refused
    act = {"action": "enable", "_selected_action": [subscription_id]}
    assert "1 subscriptions" in operator.post("/admin/telling/subscription/", act, follow=True).content.decode()
    receiver.says(200)
    act = {"action": "replay", "_selected_action": [str(chosen.id)]}
    assert "1 deliveries wait" in operator.post("/admin/telling/delivery/", act, follow=True).content.decode()
    work_off()
    assert receiver.types == ["credential.failing", "credential.failing"]
    assert ("webhook.replayed", "operator:operator") in said(tenant)
    assert any(actor == "operator:operator" and "subscription" in action for action, actor in said(tenant))


@pytest.mark.parametrize("page", ["subscription", "delivery"])
def test_operators_change_nothing_by_hand(api: Api, tenant: UUID, receiver: Receiver, operator: Any, page: str) -> None:
    subscribe(api, receiver)
    happen(tenant)
    model = {"subscription": Subscription, "delivery": Delivery}[page]
    row = model.objects.using("system").first()
    assert row
    assert operator.post(f"/admin/telling/{page}/{row.pk}/change/", {"type": "x"}).status_code == 403


def test_what_waits_and_what_is_disabled_is_counted(api: Api, tenant: UUID, receiver: Receiver, settings: Any) -> None:
    settings.METRICS_TOKEN = "a-token-of-some-length-for-prometheus-4711"
    subscribe(api, receiver)
    subscribe(api, receiver, enabled=False)
    for _ in range(2):
        happen(tenant)
    run("UPDATE telling_delivery SET due_at = due_at - interval '1 minute' WHERE status = 'pending'")
    headers = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}
    text = Client().get("/metrics", headers=headers).content.decode()
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("hub_webhook_"))
    assert 60 <= float(found.pop("hub_webhook_deliveries_pending_oldest_seconds")) < 90
    assert found == {
        "hub_webhook_deliveries_pending": "2.0",
        'hub_webhook_deliveries_recent{status="pending"}': "2.0",
        'hub_webhook_deliveries_recent{status="skipped"}': "2.0",
        'hub_webhook_subscriptions_disabled{reason="by_request"}': "1.0",
    }
    assert str(tenant) not in text


def test_deliveries_are_forgotten_after_thirty_days_and_secrets_that_sign_no_more(
    api: Api, tenant: UUID, receiver: Receiver
) -> None:
    made = subscribe(api, receiver)
    api.post(f"/webhook-subscriptions/{made['id']}/rotate-secret")
    with tenant_scope(tenant):
        Event.objects.create(
            id=earliest_id(datetime.now(UTC) - timedelta(days=32)), tenant_id=tenant, kind="message.received"
        )
    run("DELETE FROM telling_delivery")
    for days in (29, 31):
        happen(tenant)
        then = earliest_id(datetime.now(UTC) - timedelta(days=days))
        run("UPDATE telling_delivery SET id = %s WHERE id = (SELECT max(id::text)::uuid FROM telling_delivery)", then)
    later(2 * 86_400)
    tasks.forget_old_deliveries()
    assert len(deliveries(tenant)) == 1
    [row] = Subscription.objects.using("system").all()
    assert (bytes(row.previous_sealed), row.previous_until) == (b"", None)
    assert row.sealed
    assert [event.kind for event in Event.objects.using("system").filter(kind="message.received")] == []
    assert tasks.forget_old_deliveries.name in [schedule.task for schedule in schedules.SCHEDULES]
