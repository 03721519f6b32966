"""Statuses of many messages are handled together: each moves its own delivery, and one at fault stops no other."""

import threading
import time
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox.models import Event
from integrationhub.webhooks import processing, sources
from integrationhub.webhooks.models import Post
from tests.make import Api, another_tenant
from tests.webhooks.posting import PHONE, change, events, post, status, subscribe, work_off, written
from whatsapp.models import Delivery


@pytest.fixture(autouse=True)
def shared_number(settings: Any) -> None:
    """The deployment's own, by which tenants without one send."""
    settings.META_WHATSAPP_PHONE_NUMBER_ID, settings.PLATFORM_TENANT_ID = PHONE, ""


def accepted(tenant: UUID, how_many: int = 1, **over: Any) -> list[Delivery]:
    """Messages of a tenant's that Meta has taken."""
    known = {"tenant_id": tenant, "phone_number_id": PHONE, "recipient": "+16505551234", "type": "text"}
    with tenant_scope(tenant):
        return [
            Delivery.objects.create(**{**known, "meta_id": f"wamid.{uuid4().hex}", "status": "accepted", **over})
            for _ in range(how_many)
        ]


def told(*statuses: dict[str, Any], in_one_body: bool = True) -> None:
    """Meta posts them, and one worker takes them all up."""
    bodies = [written(change(statuses=list(statuses)))]
    for body in bodies if in_one_body else [written(change(statuses=[each])) for each in statuses]:
        assert post(body).status_code == 200
    work_off()


def state(delivery: Delivery) -> Any:
    return Delivery.objects.using("system").get(id=delivery.id).status


@pytest.mark.parametrize("in_one_body", [True, False])
def test_each_step_of_a_message_is_kept_and_told_though_they_come_together(api: Api, in_one_body: bool) -> None:
    subscribe(api)
    rows = accepted(api.tenant, 2)
    steps = [status(row.meta_id, word) for word in ("sent", "delivered", "read") for row in rows]
    told(*steps, in_one_body=in_one_body)
    assert [state(row) for row in rows] == ["read"] * 2
    timelines = Delivery.objects.using("system").values_list("timeline", flat=True)
    assert [set(timeline) for timeline in timelines] == [{"sent", "delivered", "read"}] * 2
    for row in rows:
        told_of_it = Event.objects.using("system").filter(data__message_id=str(row.id)).order_by("id")
        assert [event.kind for event in told_of_it] == ["message.sent", "message.delivered", "message.read"]


def test_a_hundred_statuses_cost_no_more_searches_than_ten(tenant: UUID) -> None:
    costs = []
    for how_many in (10, 100):
        rows = accepted(tenant, how_many)
        for row in rows:
            assert post(written(change(statuses=[status(row.meta_id)]))).status_code == 200
        with CaptureQueriesContext(connections["default"]) as own, CaptureQueriesContext(connections["system"]) as all_:
            work_off()
        costs.append(sum("whatsapp_delivery" in each["sql"] for each in [*own, *all_]))
        assert {state(row) for row in rows} == {"delivered"}
    assert costs == [3, 3], "Whose they are, which they are, and what becomes of them."


def test_one_that_cannot_be_read_fails_alone(tenant: UUID) -> None:
    rows = accepted(tenant, 3)
    told(*(status(row.meta_id, **over) for row, over in zip(rows, [{}, {"timestamp": "soon"}, {}], strict=True)))
    assert [state(row) for row in rows] == ["delivered", "accepted", "delivered"]
    assert sorted(event.status for event in events(tenant)) == ["failed", "processed", "processed"]


def test_of_two_that_may_be_meant_it_is_the_one_that_has_metas_id(tenant: UUID) -> None:
    [known], [unnamed] = accepted(tenant), accepted(tenant, meta_id="", status="unknown")
    told(status(known.meta_id, biz_opaque_callback_data=str(unnamed.id)))
    assert (state(known), state(unnamed)) == ("delivered", "unknown")


def test_two_statuses_that_come_before_the_answer_are_of_one_message_by_our_id(tenant: UUID) -> None:
    [unnamed] = accepted(tenant, meta_id="", status="unknown")
    about = {"biz_opaque_callback_data": str(unnamed.id)}
    told(status("wamid.new", "sent", **about), status("wamid.new", "read", **about))
    assert state(unnamed) == "read"
    assert Delivery.objects.using("system").get().meta_id == "wamid.new"


def test_of_two_messages_that_name_one_id_of_ours_one_has_it(tenant: UUID) -> None:
    [unnamed] = accepted(tenant, meta_id="", status="unknown")
    about = {"biz_opaque_callback_data": str(unnamed.id)}
    told(status("wamid.a", "sent", **about), status("wamid.b", "read", **about))
    row = Delivery.objects.using("system").get()
    assert (row.meta_id, row.status) == ("wamid.a", "sent")
    assert sorted(event.status for event in events(tenant)) == ["kept", "processed"]


def test_bodies_of_many_tenants_are_each_given_to_whose_message_they_name(tenant: UUID) -> None:
    tenants = [tenant, *(another_tenant().tenant for _ in range(2))]
    rows = [accepted(each)[0] for each in tenants]
    known_by_ours = accepted(tenant, meta_id="", status="unknown", id=new_id())[0]
    told(
        *(status(row.meta_id) for row in rows),
        status("wamid.of-nobody"),
        status("wamid.of-a-lost-answer", biz_opaque_callback_data=str(known_by_ours.id)),
        in_one_body=False,
    )
    assert {state(row) for row in [*rows, known_by_ours]} == {"delivered"}
    assert [len(events(each)) for each in tenants] == [2, 1, 1]


def test_a_status_is_of_the_tenant_whose_message_has_metas_id_though_it_names_anothers(tenant: UUID) -> None:
    [known], [unnamed] = accepted(tenant), accepted(another_tenant().tenant, meta_id="", status="unknown")
    told(status(known.meta_id, biz_opaque_callback_data=str(unnamed.id)))
    assert (state(known), state(unnamed)) == ("delivered", "unknown")


def deadlocks() -> int:
    with connections["system"].cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_who_handles_them_one_by_one_and_who_does_at_once_never_wait_in_a_circle(tenant: UUID) -> None:
    """One that cannot be read has a worker handle the others of its batch each by itself."""
    before = deadlocks()
    for _ in range(4):
        rows = accepted(tenant, 50)
        for word in ("sent", "delivered"):
            statuses = [status(row.meta_id, word) for row in rows]
            unreadable = [status(rows[0].meta_id, "sent", timestamp="soon", recipient_id="1")] * (word == "sent")
            assert post(written(change(statuses=[*statuses, *unreadable]))).status_code == 200
        bodies = Post.objects.using("system").filter(status="received").order_by("id")
        at_work = [threading.Thread(target=work_on, args=(body, 0.03 * place)) for place, body in enumerate(bodies)]
        for thread in at_work:
            thread.start()
        for thread in at_work:
            thread.join()
        found = Delivery.objects.using("system").filter(id__in=[row.id for row in rows])
        assert [(row.status, set(row.timeline)) for row in found] == [("delivered", {"sent", "delivered"})] * 50
    time.sleep(0.2)  # What a connection has counted is known soon after its end.
    assert deadlocks() == before


def work_on(body: Post, after_seconds: float) -> None:
    time.sleep(after_seconds)
    try:
        processing.process(body.tenant_id, [body.id])
    finally:
        connections.close_all()


def test_a_body_whose_owner_cannot_be_told_stops_no_other_and_is_taken_again(
    tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = accepted(tenant, 3)
    bad = rows[1].meta_id

    def sharers(items: Any) -> Any:
        if any(item.reference == bad for item in items):
            raise ZeroDivisionError
        return sources._meta_sharers(items)

    with monkeypatch.context() as patched:
        patched.setattr(sources, "META", replace(sources.META, sharers=sharers))
        told(*(status(row.meta_id) for row in rows), in_one_body=False)
    assert [state(row) for row in rows] == ["delivered", "accepted", "delivered"]
    left = Post.objects.using("system").filter(status="received")
    assert left.count() == 1
    processing.process(left[0].tenant_id, [left[0].id])
    assert state(rows[1]) == "delivered"
