"""What webhooks tell of templates is applied at once; what they leave open is asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now

from integrationhub.core.tenancy import tenant_scope
from templates import events, sync
from templates.models import MessageTemplate, SyncRun
from tests.make import Api, another_tenant
from tests.meta.graph_server import GraphServer
from tests.templates.making import stored
from tests.templates.reading import events_of, messages, synced, templates_of

STATUS = "message_template_status_update"


def told(template: MessageTemplate, **more: Any) -> dict[str, Any]:
    return {"message_template_id": template.meta_id, "message_template_name": template.name, **more}


def tell(tenant: UUID, field: str, value: dict[str, Any]) -> None:
    """As of this moment."""
    events.apply(tenant, field, value, at=datetime.now(UTC))


def read(tenant: UUID) -> MessageTemplate:
    return MessageTemplate.objects.using("system").get(tenant_id=tenant)


@pytest.mark.parametrize("status", ["PAUSED", "DISABLED", "REJECTED", "APPROVED", "PENDING_DELETION"])
def test_a_status_is_applied_and_told_once(tenant: UUID, status: str) -> None:
    template = stored(tenant, status="PENDING")
    value = told(template, event=status, reason="ABUSIVE_CONTENT")
    at = datetime.now(UTC)
    events.apply(tenant, STATUS, value, at=at)
    before = read(tenant).told_at
    events.apply(tenant, STATUS, value, at=at)
    assert read(tenant).told_at == before
    assert (read(tenant).status, read(tenant).rejected_reason) == (status, "ABUSIVE_CONTENT")
    moved = {"name": "order_update", "language": "en_US", "before": "PENDING", "after": status}
    assert events_of(tenant) == [("template.status_changed", moved)]
    assert messages() == []


def test_what_is_said_again_keeps_no_sync_from_the_row(tenant: UUID) -> None:
    template = stored(tenant)
    tell(tenant, STATUS, told(template, event=template.status))
    row = read(tenant)
    assert row.told_at is None
    assert STATUS in row.told_times


def test_quality_and_category_are_applied(tenant: UUID) -> None:
    template = stored(tenant)
    score = told(template, previous_quality_score="GREEN", new_quality_score="RED")
    tell(tenant, "message_template_quality_update", score)
    moved = told(template, previous_category="UTILITY", new_category="MARKETING")
    tell(tenant, "template_category_update", moved)
    row = read(tenant)
    assert (row.quality, row.category, row.previous_category) == ("RED", "MARKETING", "UTILITY")
    assert [kind for kind, _ in events_of(tenant)] == ["template.quality_changed", "template.category_changed"]


def test_a_category_that_is_only_announced_is_as_it_was(tenant: UUID) -> None:
    template = stored(tenant)
    tell(tenant, "template_category_update", told(template, correct_category="MARKETING", new_category="UTILITY"))
    assert read(tenant).category == "UTILITY"
    assert events_of(tenant) == []


def test_without_an_id_name_and_language_find_it_however_the_language_is_written(tenant: UUID) -> None:
    stored(tenant)
    value = {"event": "PAUSED", "message_template_name": "order_update", "message_template_language": "en-US"}
    tell(tenant, STATUS, value)
    assert templates_of(tenant) == {"order_update": "PAUSED"}


@pytest.mark.parametrize(
    ("field", "more"),
    [
        (STATUS, {"event": "FLAGGED"}),
        (STATUS, {"event": "REINSTATED"}),
        (STATUS, {"event": "NEXT_YEARS"}),
        (STATUS, {}),
        ("message_template_quality_update", {"new_quality_score": None}),
        ("message_template_components_update", {"message_template_element": "Hello"}),
    ],
)
def test_what_names_no_state_has_the_templates_synced(tenant: UUID, field: str, more: dict[str, Any]) -> None:
    template = stored(tenant)
    tell(tenant, field, told(template, **more))
    assert read(tenant).status == "APPROVED"
    assert len(messages()) == 1


def test_a_burst_for_unknown_templates_is_worth_one_sync(tenant: UUID) -> None:
    for number in range(5):
        tell(tenant, STATUS, {"event": "APPROVED", "message_template_id": number})
        with tenant_scope(tenant):
            SyncRun.objects.for_tenant(tenant).update(state="succeeded")
    assert len(messages()) == 1


def test_it_reaches_no_other_tenants_template(tenant: UUID) -> None:
    other = another_tenant().tenant
    theirs = stored(other)
    tell(tenant, STATUS, told(theirs, event="PAUSED"))
    assert templates_of(other) == {"order_update": "APPROVED"}


def test_what_a_webhook_told_while_pages_were_read_is_newer_than_they_are(
    api: Api, tenant: UUID, meta: GraphServer
) -> None:
    synced(api)
    template = read(tenant)

    def paused(run: SyncRun) -> None:
        tell(tenant, STATUS, told(template, event="PAUSED"))

    run = sync.now(tenant_id=tenant, subject="", told=paused)
    assert (run.changed, run.unchanged) == (0, 1)
    assert read(tenant).status == "PAUSED"
    with tenant_scope(tenant):
        MessageTemplate.objects.for_tenant(tenant).update(told_at=Now() - timedelta(hours=1))
    synced(api)
    assert read(tenant).status == "APPROVED", "the next sync knows better"
