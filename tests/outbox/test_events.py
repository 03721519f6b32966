"""Events: what happened stands with the change it tells of, or not at all."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, transaction
from django.db.models.functions import Now
from django.test import Client

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import schedules, tasks
from integrationhub.outbox.events import publish
from integrationhub.outbox.models import Event


def test_an_event_is_kept_for_its_tenant(tenant: UUID) -> None:
    with tenant_scope(tenant):
        publish(tenant_id=tenant, kind="thing.changed", thing_id="t-1", before=1)
    (event,) = Event.objects.using("system").all()
    assert (event.tenant_id, event.kind, event.data) == (tenant, "thing.changed", {"thing_id": "t-1", "before": 1})


def test_a_change_that_is_taken_back_takes_its_event_with_it(tenant: UUID) -> None:
    with tenant_scope(tenant):
        publish(tenant_id=tenant, kind="thing.changed")
        transaction.set_rollback(True)
    assert not Event.objects.using("system").exists()


def test_an_event_outside_a_tenants_scope_is_refused(tenant: UUID) -> None:
    with pytest.raises(DatabaseError, match="row-level security"):
        publish(tenant_id=tenant, kind="thing.changed")


def test_an_operator_sees_events_and_can_change_none(tenant: UUID, operator: Client) -> None:
    with tenant_scope(tenant):
        publish(tenant_id=tenant, kind="thing.changed", thing_id="t-1")
    event = Event.objects.using("system").get()
    page = operator.get("/admin/outbox/event/", {"q": str(tenant)}).content.decode()
    assert "thing.changed" in page
    assert "t-1" in page
    assert operator.post(f"/admin/outbox/event/{event.id}/change/", {"kind": "thing.lied"}).status_code == 403


def test_an_event_is_forgotten_after_ninety_days(tenant: UUID) -> None:
    for days in (89, 91):
        with tenant_scope(tenant):
            publish(tenant_id=tenant, kind="thing.changed", days=days)
            Event.objects.filter(data__days=days).update(created_at=Now() - timedelta(days=days))
    tasks.forget_old_events()
    assert [event.data for event in Event.objects.using("system").all()] == [{"days": 89}]
    assert tasks.forget_old_events.name in [schedule.task for schedule in schedules.SCHEDULES]
