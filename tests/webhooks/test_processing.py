"""What a worker makes of a body: each thing once, for its tenant alone, and nothing lost."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.db.models.functions import Now

from credentials.models import Credential
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import relay
from integrationhub.webhooks import collecting, handling, processing
from integrationhub.webhooks.models import NOBODY, Post, WebhookEvent
from tests.webhooks.posting import (
    PHONE,
    WABA,
    change,
    count,
    events,
    message,
    messages,
    post,
    status,
    work_off,
    written,
)
from whatsapp.models import BusinessNumber

Told = list[tuple[UUID, str, Any]]


def give_number(tenant: UUID, phone: str = PHONE, waba: str = WABA) -> None:
    """As if the tenant had bound it, and Meta had taken the credential."""
    with tenant_scope(tenant):
        credential = Credential.objects.create(
            tenant_id=tenant, provider_key="meta_whatsapp", fingerprint="f", version=1, verified="verified"
        )
        BusinessNumber.objects.create(tenant_id=tenant, credential=credential, phone_number_id=phone, waba_id=waba)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tenant: UUID) -> Told:
    """What the handlers of messages and statuses were told; the tenant has the number."""
    give_number(tenant)
    heard: Told = []

    def hear(event: WebhookEvent, field: str, value: Any) -> bool:
        heard.append((event.tenant_id, field, value))
        if "explode" in json.dumps(value):
            raise ZeroDivisionError
        return True

    handlers = {("meta_whatsapp", kind): handling.one_by_one(hear) for kind in ("message", "status")}
    monkeypatch.setattr(handling, "HANDLERS", {**handling.HANDLERS, **handlers})
    return heard


def kinds(tenant: UUID) -> list[tuple[str, str, str]]:
    return [(event.type, event.reference, event.status) for event in events(tenant)]


def test_every_message_and_status_of_every_entry_is_handled_by_itself(tenant: UUID, told: Told) -> None:
    contacts = [{"wa_id": "16505551234", "profile": {"name": "Ana"}}, {"wa_id": "4917012345", "profile": {}}]
    first = change(messages=[message("wamid.1"), message("wamid.2", **{"from": "4917012345"})], contacts=contacts)
    second = change(statuses=[status("wamid.3"), status("wamid.3", "read")])
    body = {
        "object": "whatsapp_business_account",
        "entry": [{"id": WABA, "changes": [each]} for each in (first, second)],
    }
    post(json.dumps(body).encode())
    work_off()
    assert sorted(kinds(tenant)) == [
        ("message", "wamid.1", "processed"),
        ("message", "wamid.2", "processed"),
        ("status", "wamid.3", "processed"),
        ("status", "wamid.3", "processed"),
    ]
    by_id = {value["messages"][0]["id"]: value for _, _, value in told if "messages" in value}
    assert by_id["wamid.1"]["messages"] == first["value"]["messages"][:1]
    assert [who["wa_id"] for who in by_id["wamid.2"]["contacts"]] == ["4917012345"]
    assert {field for _, field, _ in told} == {"messages"}
    assert Post.objects.using("system").get().status == "processed"


def test_what_comes_again_in_another_body_has_no_second_effect(tenant: UUID, told: Told) -> None:
    for body in (messages("wamid.1", "wamid.2"), messages("wamid.2", "wamid.3"), messages("wamid.2")):
        post(body)
    work_off()
    again = [message("wamid.3"), message("wamid.2")]
    post(written(change(messages=again, contacts=[{"wa_id": "16505551234", "profile": {"name": "Ana"}}])))
    work_off()
    assert sorted(value["messages"][0]["id"] for _, _, value in told) == ["wamid.1", "wamid.2", "wamid.3"]
    assert {event.reference: event.duplicates for event in events(tenant)} == {"wamid.1": 0, "wamid.2": 3, "wamid.3": 1}


def test_a_batch_that_is_done_twice_acts_once(tenant: UUID, told: Told) -> None:
    post(messages("wamid.1"))
    work_off()
    Post.objects.using("system").update(status="received", lease_until=Now())  # Its worker died before it said so.
    work_off()
    assert len(told) == 1
    assert [event.duplicates for event in events(tenant)] == [0]


def test_two_workers_with_the_same_events_act_once(tenant: UUID, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"wamid.{number}" for number in range(processing.CHUNK)]
    bodies = [messages(*names), messages(*reversed(names))]
    for body in bodies:
        post(body)
    ids = list(Post.objects.using("system").values_list("id", flat=True))
    together, store = threading.Barrier(2), processing.store

    def store_together(*events: Any) -> None:
        together.wait(10)
        store(*events)

    def work(post_id: UUID) -> None:
        processing.process(NOBODY, [post_id])
        connections.close_all()

    monkeypatch.setattr(processing, "store", store_together)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ids))
    assert sorted(value["messages"][0]["id"] for _, _, value in told) == sorted(names)
    assert {event.duplicates for event in events(tenant)} == {1}


def test_one_that_fails_stops_no_other_and_is_tried_again_five_times(tenant: UUID, told: Told) -> None:
    post(messages("wamid.1", "wamid.explode", "wamid.2"))
    work_off()
    assert {reference: state for _, reference, state in kinds(tenant)} == {
        "wamid.1": "processed",
        "wamid.explode": "failed",
        "wamid.2": "processed",
    }
    for _ in range(8):
        WebhookEvent.objects.using("system").filter(due_at__isnull=False).update(due_at=Now())
        work_off()
    [failed] = [event for event in events(tenant) if event.status == "failed"]
    assert (len(failed.attempts), failed.due_at) == (handling.MOST_TRIES, None)
    assert failed.attempts[0]["error"] == "ZeroDivisionError"


def test_what_a_failing_handler_wrote_is_undone(tenant: UUID, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(event: WebhookEvent, field: str, value: Any) -> None:
        Credential.objects.for_tenant(event.tenant_id).update(fingerprint="changed")
        raise ZeroDivisionError

    monkeypatch.setattr(handling, "HANDLERS", {("meta_whatsapp", "message"): handling.one_by_one(write)})
    post(messages("wamid.1"))
    work_off()
    assert Credential.objects.using("system").get(tenant_id=tenant).fingerprint == "f"
    assert kinds(tenant) == [("message", "wamid.1", "failed")]


def test_a_number_that_nobody_has_bound_is_nobodys(tenant: UUID, told: Told) -> None:
    post(messages("wamid.1", phone="999"))
    post(written(change(phone="999", statuses=[status("wamid.2")]), waba=WABA))
    work_off()
    assert (told, events(tenant)) == ([], [])
    assert kinds(NOBODY) == [("message", "wamid.1", "kept"), ("status", "wamid.2", "kept")]


def test_two_tenants_in_one_body_get_their_own_each(tenant: UUID, told: Told) -> None:
    other = uuid4()
    give_number(other, "200", "300")
    post(written(change(messages=[message("wamid.1")]), change(phone="200", messages=[message("wamid.2")])))
    work_off()
    assert kinds(tenant) == [("message", "wamid.1", "processed")]
    assert kinds(other) == [("message", "wamid.2", "processed")]
    assert {(owner, value["messages"][0]["id"]) for owner, _, value in told} == {
        (tenant, "wamid.1"),
        (other, "wamid.2"),
    }
    assert "wamid.2" not in events(tenant)[0].payload


def test_what_names_no_number_is_of_the_business_accounts_tenants(tenant: UUID, told: Told) -> None:
    other = uuid4()
    give_number(other, "200", WABA)
    update = {"event": "APPROVED", "message_template_id": 594425479261596, "message_template_name": "hello"}
    post(written({"field": "message_template_status_update", "value": update}))
    post(written({"field": "message_template_status_update", "value": update}, waba="77"))
    work_off()
    told_of = ("message_template_status_update", "594425479261596")
    assert [kinds(each) for each in (tenant, other)] == [[(*told_of, "processed")]] * 2
    assert kinds(NOBODY) == [(*told_of, "kept")]


ODD: dict[str, Any] = {
    "no JSON": b"<html>",
    "no UTF-8": b'{"entry": "\xff"}',
    "a list": b"[]",
    "nothing": b"",
    "no entries": b'{"object": "x", "entry": []}',
    "too deep": b"[" * 200_000,
    "a long number": b'{"entry": [{"id": ' + b"9" * 20_000 + b', "changes": [{"field": "x", "value": {}}]}]}',
    "an entry that is none": b'{"entry": [7]}',
    "changes that are none": b'{"entry": [{"changes": 7}]}',
    "a change that is none": written(7),
    "no field": written({"value": {}}),
    "no value": written({"field": "messages"}),
    "an unknown field": written({"field": "smb_of_tomorrow", "value": {"a": 1}}),
    "a field of NUL": written({"field": "a\0b\ud800", "value": {}}),
    "an empty value": written({"field": "messages", "value": {}}),
    "a message that is none": written(change(messages=[7])),
    "no id": written(change(messages=[{"type": "text"}])),
    "an id that is none": written(change(messages=[message("x", id={"a": 1})])),
    "a long id": written(change(messages=[message("x" * 5000)])),
    "NUL and half a pair": written(change(messages=[message("wamid.\0\ud800", "\0\ud800")])),
    "no metadata": written({"field": "messages", "value": {"messages": [message("wamid.1")]}}),
    "metadata that is none": written({"field": "messages", "value": {"metadata": [], "messages": [message("w")]}}),
    "no phone number": written(change(messages=[message("w", **{"from": None}, from_user_id="US.1349")])),
    "contacts that are none": written(change(messages=[message("w")], contacts=[7, {"wa_id": []}])),
    "a bad time": written(change(messages=[message("w", timestamp="yesterday")])),
    "a huge time": written(change(statuses=[status("w", timestamp="9" * 13)])),
    "time of another kind": written(change(statuses=[status("w", timestamp=[1])])),
    "errors alone": written(change(errors=[{"code": 131000}])),
    "another shape of a list": written(change(statuses=[status("w")], messages={"a": 1})),
    "an unknown type": written(change(messages=[message("w", type="hologram")])),
    "too many": written(*([7] * 10_001)),
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_whatever_was_signed_is_kept_and_shown(body: bytes, tenant: UUID, told: Told, operator: Any) -> None:
    assert post(body).status_code == 200
    work_off()
    assert Post.objects.using("system").get().status == "processed"
    [event] = WebhookEvent.objects.using("system").all()
    assert event.status in ("kept", "processed")
    assert operator.get(f"/admin/webhooks/webhookevent/{event.id}/change/").status_code == 200
    assert operator.get("/admin/webhooks/webhookevent/").status_code == 200


def test_times_are_the_providers_in_seconds_or_milliseconds(tenant: UUID, told: Told) -> None:
    given = {"wamid.s": "1750000000", "wamid.ms": 1750000000123, "wamid.bad": "soon"}
    post(written(change(messages=[message(wamid, timestamp=time) for wamid, time in given.items()])))
    work_off()
    at = {event.reference: event.occurred_at for event in events(tenant)}
    assert at["wamid.s"] == datetime.fromtimestamp(1750000000, UTC)
    assert at["wamid.ms"] == datetime.fromtimestamp(1750000000.123, UTC)
    assert at["wamid.bad"] is None


def test_a_row_whose_message_was_lost_is_found_again(tenant: UUID, told: Told) -> None:
    post(messages("wamid.1"))
    assert collecting.collect() == 1
    with connections["system"].cursor() as cursor:
        cursor.execute("DELETE FROM outbox_outboxmessage")
    assert (collecting.collect(), work_off()) == (0, 0)
    Post.objects.using("system").update(lease_until=Now())
    assert work_off() == 1
    assert kinds(tenant) == [("message", "wamid.1", "processed")]


def test_many_bodies_are_one_message_of_ids_alone(tenant: UUID) -> None:
    for number in range(5):
        post(messages(f"wamid.{number}"))
    assert collecting.collect() == 5
    with connections["system"].cursor() as cursor:
        cursor.execute("SELECT arguments::text FROM outbox_outboxmessage")
        [(arguments,)] = cursor.fetchall()
    assert "wamid" not in arguments
    assert set(json.loads(arguments)) == {"tenant_id", "ids"}


def test_nothing_that_is_due_rings_for_nobody() -> None:
    """A relay that rang for itself would never rest."""
    post(messages("wamid.1"))
    with relay._listening() as bell:
        assert collecting.collect() == 1
        assert len(list(bell.notifies(timeout=5, stop_after=1))) == 1
        assert collecting.collect() == 0
        assert list(bell.notifies(timeout=0.3, stop_after=1)) == []


def test_while_nobody_takes_messages_no_more_are_made(tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "POSTS_AT_ONCE", 1)
    for number in range(25):
        post(messages(f"wamid.{number}"))
    while collecting.collect():
        pass
    assert count("outbox_outboxmessage") == collecting.MOST_WAITING


def test_large_bodies_are_taken_a_few_at_a_time(tenant: UUID) -> None:
    for number in range(3):
        post(messages(f"wamid.{number}", "x" * 3_000_000))
    assert [collecting.collect(), collecting.collect(), collecting.collect()] == [2, 1, 0]


def test_one_that_ends_its_workers_is_left_alone_and_can_be_taken_again(operator: Any) -> None:
    post(messages("wamid.1"))
    Post.objects.using("system").update(takes=processing.MOST_TAKES)
    work_off()
    failed = Post.objects.using("system").get()
    assert (failed.status, count("webhooks_webhookevent")) == ("failed", 0)
    body = {"action": "process_again", "_selected_action": str(failed.id)}
    assert operator.post("/admin/webhooks/post/", body).status_code == 302
    work_off()
    assert count("webhooks_webhookevent") == 1
