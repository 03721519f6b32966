"""What a tenant sees of its webhooks, and how it has one handled again."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.webhooks import handling
from integrationhub.webhooks.models import NOBODY
from tests.audit.reading import said
from tests.make import Api, another_tenant
from tests.webhooks.posting import OLD_SECRET, change, events, message, messages, post, status, work_off, written
from tests.webhooks.test_processing import give_number


@pytest.fixture
def received(tenant: UUID) -> None:
    """A message and a status of this tenant, in a body that tells of another tenant too."""
    give_number(tenant)
    give_number(uuid4(), "200", "300")
    mine = change(messages=[message("wamid.1")]), change(statuses=[status("wamid.2", "read")])
    post(written(*mine, change(phone="200", messages=[message("wamid.of-another")])), secret=OLD_SECRET)
    work_off()


def listed(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"/webhooks{query}")
    assert answer.status_code == 200, answer.content
    return list(answer.json()["data"])


def test_the_list_has_its_filters(api: Api, received: None) -> None:
    row = listed(api, "?type=message")[0]
    assert {name: row[name] for name in ("direction", "provider_key", "type", "status", "reference")} == {
        "direction": "in",
        "provider_key": "meta_whatsapp",
        "type": "message",
        "status": "processed",
        "reference": "wamid.1",
    }
    found = {
        query: [row["reference"] for row in listed(api, query)]
        for query in ("", "?type=status", "?status=processed&type=message", "?status=failed", "?direction=out",
                      "?provider_key=another", "?direction=in&provider_key=meta_whatsapp&limit=1")
    }  # fmt: skip
    assert [sorted(references) for references in found.values()] == [
        ["wamid.1", "wamid.2"], ["wamid.2"], ["wamid.1"], [], [], [], found[""][:1],
    ]  # fmt: skip


@pytest.mark.parametrize("query", ["?direction=up", "?status=lost"])
def test_a_filter_that_is_none_is_refused(api: Api, query: str) -> None:
    assert api.get(f"/webhooks{query}").json()["details"]["reason"] == "invalid_fields"


def test_one_is_shown_with_its_request_and_the_body_to_admins_alone(api: Api, received: None) -> None:
    event_id = listed(api, "?type=message")[0]["id"]
    shown = api.get(f"/webhooks/{event_id}").json()
    assert shown["signature"] == {"verdict": "valid", "secret": "previous"}
    assert shown["headers"]["X-Hub-Signature-256"].endswith("...")
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["processed"]
    assert "wamid.1" in shown["raw_body"]
    assert "wamid.of-another" not in shown["raw_body"]
    assert api.as_role("organizer").get(f"/webhooks/{event_id}").json()["raw_body"] is None
    assert api.as_role("user").get(f"/webhooks/{event_id}").status_code == 403


def test_a_replay_is_handled_by_a_worker_under_the_same_id(
    api: Api, tenant: UUID, received: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    note = handling.one_by_one(lambda event, field, value: told.append((event.tenant_id, field)) is None)
    monkeypatch.setattr(handling, "HANDLERS", {("meta_whatsapp", "message"): note})
    event_id = listed(api, "?type=message")[0]["id"]
    answer = api.as_role("organizer").post(f"/webhooks/{event_id}/replay")
    assert (answer.status_code, answer.json()["status"], answer.json()["replays"]) == (202, "received", 1)
    work_off()
    shown = api.get(f"/webhooks/{event_id}").json()
    assert (told, shown["status"]) == ([(tenant, "messages")], "processed")
    assert [(attempt["outcome"], attempt["is_replay"]) for attempt in shown["attempts"]] == [
        ("processed", False),
        ("processed", True),
    ]
    assert ("webhook.replayed", "tester") in said(tenant)


def test_a_replay_under_a_key_acts_once(api: Api, received: None) -> None:
    event_id = listed(api)[0]["id"]
    key = {"Idempotency-Key": str(uuid4())}
    first, second = (api.post(f"/webhooks/{event_id}/replay", headers=key) for _ in range(2))
    assert first.content == second.content
    assert api.get(f"/webhooks/{event_id}").json()["replays"] == 1


def test_another_tenants_and_nobodys_are_not_found(api: Api, received: None) -> None:
    post(messages("wamid.9", phone="999"))
    work_off()
    theirs = listed(api)[0]["id"]
    nobodys = str(events(NOBODY)[0].id)
    for who, event_id in ((another_tenant(), theirs), (api, nobodys), (api, str(uuid4())), (api, "x")):
        for answer in (who.get(f"/webhooks/{event_id}"), who.post(f"/webhooks/{event_id}/replay")):
            assert (answer.status_code, answer.json()["code"]) == (404, "ERR_WEBHOOK_NOT_FOUND")
    assert listed(another_tenant()) == []


def test_an_operator_replays_and_gives_what_was_nobodys_to_who_has_the_number_now(
    api: Api, tenant: UUID, received: None, operator: Any
) -> None:
    post(messages("wamid.9", phone="999"))
    work_off()
    late = uuid4()
    give_number(late, "999", "998")
    chosen = [str(events(NOBODY)[0].id), listed(api)[0]["id"]]
    answer = operator.post(
        "/admin/webhooks/webhookevent/", {"action": "replay", "_selected_action": chosen}, follow=True
    )
    assert "1 events wait" in answer.content.decode()
    assert [(event.type, event.reference) for event in events(late)] == [("message", "wamid.9")]
    assert events(late)[0].key == events(NOBODY)[0].key
    assert ("webhook.replayed", "operator:operator") in said(tenant)


@pytest.mark.parametrize("page", ["webhookevent", "post", "refusedpost", "endpoint"])
def test_operators_see_it_all(page: str, operator: Any, received: None) -> None:
    post(messages("wamid.7"), secret="another-secret")
    answer = operator.get(f"/admin/webhooks/{page}/")
    assert answer.status_code == 200
    assert page == "endpoint" or "meta_whatsapp" in answer.content.decode()
