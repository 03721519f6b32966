"""What Meta posts of a template counts by when it was so, whenever it comes, and for all who send by the account."""

import json
import time
from typing import Any

import pytest

from templates.models import MessageTemplate
from tests.make import Api, another_tenant
from tests.meta.fixtures import meta
from tests.meta.graph_server import APP_SECRET, WABA_ID, GraphServer
from tests.templates.making import stored
from tests.templates.reading import synced, templates_of
from tests.webhooks import posting
from tests.webhooks.posting import events, work_off

__all__ = ["meta"]
STATUS, QUALITY = "message_template_status_update", "message_template_quality_update"


@pytest.fixture
def template(api: Api, meta: GraphServer, settings: Any) -> MessageTemplate:
    """Of the platform's tenant, by the deployment's account."""
    settings.PLATFORM_TENANT_ID = str(api.tenant)
    return stored(api.tenant, waba_id=WABA_ID)


def tell(template: MessageTemplate, seconds_ago: float, field: str = STATUS, waba: str = WABA_ID, **value: Any) -> None:
    """Meta posts it, and a worker takes it up."""
    change = {"field": field, "value": {"message_template_id": template.meta_id, **value}}
    entry = {"id": waba, "time": int(time.time() - seconds_ago), "changes": [change]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    assert posting.post(body, secret=APP_SECRET).status_code == 200
    work_off()


def status_of(template: MessageTemplate) -> str:
    return read(template).status


def read(template: MessageTemplate) -> MessageTemplate:
    return MessageTemplate.objects.using("system").get(pk=template.pk)


def replay(api: Api, of: str) -> None:
    [event] = [event for event in events(api.tenant) if of in event.payload]
    assert api.as_role("organizer").post(f"/webhooks/{event.id}/replay").status_code == 202
    work_off()


def test_a_pause_that_comes_again_after_its_end_pauses_nothing(api: Api, template: MessageTemplate) -> None:
    tell(template, 600, event="APPROVED")
    tell(template, 7200, event="PAUSED")
    assert status_of(template) == "APPROVED"
    assert {event.status for event in events(api.tenant)} == {"processed"}


def test_an_operator_who_replays_what_is_over_changes_nothing(api: Api, template: MessageTemplate) -> None:
    tell(template, 7200, event="PAUSED")
    tell(template, 600, event="APPROVED")
    replay(api, "PAUSED")
    assert status_of(template) == "APPROVED"
    tell(template, 60, event="PAUSED")
    assert status_of(template) == "PAUSED"


def test_what_is_told_of_the_same_state_later_stands_against_what_came_between(
    api: Api, template: MessageTemplate
) -> None:
    tell(template, 60, event="APPROVED")
    tell(template, 600, event="PAUSED")
    assert status_of(template) == "APPROVED"


def test_a_status_is_not_older_than_another_things_news(template: MessageTemplate) -> None:
    tell(template, 60, QUALITY, new_quality_score="RED")
    tell(template, 600, event="PAUSED")
    assert (read(template).quality, status_of(template)) == ("RED", "PAUSED")


def test_what_happened_before_a_sync_is_older_than_what_it_read(
    api: Api, template: MessageTemplate, meta: GraphServer
) -> None:
    meta.templates[0]["id"] = template.meta_id
    synced(api)
    tell(template, 7200, event="PAUSED")
    assert status_of(template) == "APPROVED"
    assert len(templates_of(api.tenant)) == 1
    tell(template, 0, event="PAUSED")
    assert status_of(template) == "PAUSED"


def test_a_time_that_is_yet_to_come_is_now(template: MessageTemplate) -> None:
    tell(template, -1e6, event="PAUSED")
    tell(template, -1e3, event="APPROVED")
    assert status_of(template) == "APPROVED"


# --- Whose they are ---


def test_all_who_send_by_the_shared_account_hear_of_its_templates(
    api: Api, template: MessageTemplate, meta: GraphServer
) -> None:
    meta.templates[0]["id"] = template.meta_id
    others = [another_tenant() for _ in range(2)]
    for each in others:
        synced(each)
    tell(template, 0, event="PAUSED")
    assert [list(templates_of(each.tenant).values()) for each in (api, *others)] == [["PAUSED"]] * 3
    assert [[event.status for event in events(each.tenant)] for each in others] == [["processed"]] * 2


def test_of_the_shared_account_others_hear_of_templates_alone(
    api: Api, template: MessageTemplate, meta: GraphServer
) -> None:
    other = another_tenant()
    synced(other)
    tell(template, 0, "account_update", event="ACCOUNT_RESTRICTION")
    assert [len(events(each.tenant)) for each in (api, other)] == [1, 0]


def test_who_has_templates_of_an_account_that_is_no_longer_its_own_hears_nothing(
    template: MessageTemplate, settings: Any
) -> None:
    """Its rows stay until its next sync; what they hold it knew."""
    before = another_tenant()
    theirs = stored(before.tenant, waba_id="77")
    tell(theirs, 0, waba="77", event="PAUSED")
    assert (status_of(theirs), events(before.tenant)) == ("APPROVED", [])


def test_who_has_none_of_the_shared_accounts_templates_hears_nothing(template: MessageTemplate) -> None:
    stranger = another_tenant()
    tell(template, 0, event="PAUSED")
    assert events(stranger.tenant) == []
