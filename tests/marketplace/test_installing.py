from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from integrationhub.core.ids import read_id
from marketplace import installing
from marketplace.models import Integration
from providers.models import Provider
from tests.audit.reading import trail_of
from tests.credentials.test_rotating import in_a_thread
from tests.database import locked, waiting
from tests.launcher.running import eventually
from tests.make import Api, another_tenant

NOT_FOUND = "ERR_INTEGRATION_HUB_SVC_INTEGRATION_NOT_FOUND"
NOBODYS = "01975b9e-3c4d-7aaa-8bbb-0123456789ab"
INVALID = "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST"


def install(api: Api, slug: str = "sandbox_primary", **body: Any) -> Any:
    return api.post(f"/marketplace/integrations/{slug}/install", body)


def slugs(answer: Any) -> list[str]:
    return [row["slug"] for row in answer.json()["data"]]


def planned() -> Integration:
    provider = Provider.objects.create(
        provider_key="paper_mail", display_name="Paper mail", category="messaging", status="planned"
    )
    return Integration.objects.create(slug="paper-mail", provider=provider, name="Paper mail")


def test_the_shelf_says_what_each_integration_is(api: Api) -> None:
    [row] = [row for row in api.get("/marketplace/integrations?limit=100").json()["data"] if row["slug"] == "quiet_sms"]
    assert UUID(row["id"]).version == 7
    assert row["provider_key"] == "quiet_sms"
    assert (row["name"], row["category"], row["status"]) == ("Quiet SMS", "messaging", "active")
    assert row["intents"] == ["message.send.sms"]
    assert (row["installed"], row["needs_credential"]) == (False, True)
    assert row["config_schema"]["required"] == ["sender"]


@pytest.mark.parametrize(("slug", "provider"), [("gmail_email", "google"), ("microsoft_email", "microsoft")])
def test_the_shelf_says_whose_connected_account_an_integration_acts_by(api: Api, slug: str, provider: str) -> None:
    row = api.get(f"/marketplace/integrations/{slug}").json()
    assert (row["needs_credential"], row["needs_connection"]) == (False, provider)
    assert row["config_schema"]["properties"]["connection_id"]["format"] == "uuid"
    assert row["intents"] == ["message.send.email"]
    rows = {
        row["slug"]: row["needs_connection"] for row in api.get("/marketplace/integrations?limit=100").json()["data"]
    }
    assert (rows[slug], rows["quiet_sms"], rows["sandbox_primary"]) == (provider, None, None)


def test_words_find_what_contains_them_all(api: Api) -> None:
    assert slugs(api.get("/marketplace/integrations?q=sms+QUIET")) == ["quiet_sms"]
    assert slugs(api.get("/marketplace/integrations?q=%25")) == []


def test_installed_ones_can_be_told_from_the_others(api: Api) -> None:
    install(api)
    install(another_tenant(), "sandbox_secondary")
    assert slugs(api.get("/marketplace/integrations?installed=true")) == ["sandbox_primary"]
    assert "sandbox_primary" not in slugs(api.get("/marketplace/integrations?installed=false&limit=100"))


def test_the_shelf_is_filtered_by_category(api: Api) -> None:
    assert "quiet_sms" in slugs(api.get("/marketplace/integrations?category=messaging&limit=100"))
    assert "quiet_sms" not in slugs(api.get("/marketplace/integrations?category=storage"))


def test_filters_that_do_not_exist_are_named_together(api: Api) -> None:
    answer = api.get("/marketplace/integrations?category=music&installed=perhaps")
    assert answer.json()["code"] == INVALID
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == ["category", "installed"]


def test_the_shelf_is_paged_without_loss(api: Api) -> None:
    whole, seen, cursor = slugs(api.get("/marketplace/integrations?limit=100")), [], ""
    while cursor is not None:
        page = api.get(f"/marketplace/integrations?limit=7{cursor and '&cursor=' + cursor}")
        seen += slugs(page)
        cursor = page.json()["next_cursor"]
    assert seen == whole
    assert len(whole) >= 4


def test_an_integration_is_read_by_slug_and_by_id(api: Api) -> None:
    by_slug = api.get("/marketplace/integrations/quiet_sms").json()
    assert api.get(f"/marketplace/integrations/{by_slug['id']}").json() == by_slug


@pytest.mark.parametrize("path", ["/marketplace/integrations/{}", "/integrations/{}"])
@pytest.mark.parametrize("name", ["nothing", NOBODYS])
def test_what_does_not_exist_is_not_found(api: Api, path: str, name: str) -> None:
    answer = api.get(path.format(name))
    assert (answer.status_code, answer.json()["code"]) == (404, NOT_FOUND)


def test_installing_answers_with_the_installation(api: Api) -> None:
    answer = install(api, "quiet_sms", config={"sender": "ACME"}, priority=7)
    body = answer.json()
    assert answer.status_code == 201
    assert (body["provider_key"], body["priority"], body["enabled"]) == ("quiet_sms", 7, True)
    assert body["config"] == {"sender": "ACME"}
    assert body["integration_id"] == api.get("/marketplace/integrations/quiet_sms").json()["id"]
    assert datetime.fromisoformat(body["created_at"]).utcoffset() is not None
    assert api.get(f"/integrations/{body['id']}").json() == body


def test_an_empty_body_installs_with_the_defaults(api: Api) -> None:
    answer = api.post("/marketplace/integrations/sandbox_primary/install")
    assert (answer.status_code, answer.json()["priority"], answer.json()["config"]) == (201, 100, {})


def test_a_second_installation_names_the_first(api: Api) -> None:
    first = install(api).json()
    second = install(api)
    assert (second.status_code, second.json()["code"]) == (409, INVALID)
    assert second.json()["details"] == {"reason": "already_installed", "installationId": first["id"]}


def test_the_same_idempotency_key_installs_once(api: Api) -> None:
    path, key = "/marketplace/integrations/sandbox_primary/install", {"Idempotency-Key": "once"}
    first, second = (api.post(path, {"priority": 3}, headers=key) for _ in range(2))
    assert (first.status_code, first.content) == (201, second.content)


def test_every_fault_of_an_installation_is_named(api: Api) -> None:
    answer = install(api, "quiet_sms", config={"retries": -1, "colour": "red"}, priority=1001, enabled=True)
    assert answer.json()["code"] == INVALID
    assert {fault["field"] for fault in answer.json()["details"]["fields"]} == {
        "config.sender",
        "config.retries",
        "config.colour",
        "priority",
        "enabled",
    }


@pytest.mark.parametrize("priority", [-1, 1001, "1", 1.5, True, None])
def test_a_priority_is_a_whole_number_up_to_a_thousand(api: Api, priority: Any) -> None:
    answer = install(api, priority=priority)
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == ["priority"]


def test_a_planned_integration_is_shown_but_cannot_be_installed(api: Api) -> None:
    planned()
    assert "paper-mail" in slugs(api.get("/marketplace/integrations?limit=100"))
    assert install(api, "paper-mail").json()["code"] == "ERR_INTEGRATION_HUB_SVC_ADAPTER_NOT_FOUND"


@pytest.mark.parametrize("hide", ["unpublish", "retire"])
def test_what_operators_took_off_the_shelf_is_gone(api: Api, hide: str) -> None:
    if hide == "unpublish":
        Integration.objects.filter(slug="quiet_sms").update(published=False)
    else:
        Provider.objects.filter(provider_key="quiet_sms").update(status="retired")
    assert "quiet_sms" not in slugs(api.get("/marketplace/integrations?limit=100"))
    assert install(api, "quiet_sms", config={"sender": "A"}).json()["code"] == NOT_FOUND


def test_where_the_sandbox_is_off_it_is_neither_shown_nor_installed(api: Api, settings: Settings) -> None:
    installation = install(api).json()["id"]
    settings.SANDBOX_ENABLED = False
    assert "sandbox_primary" not in slugs(api.get("/marketplace/integrations?limit=100"))
    assert install(api, "sandbox_secondary").json()["code"] == NOT_FOUND
    assert api.get(f"/integrations/{installation}").json()["code"] == NOT_FOUND
    assert installing.candidates(tenant_id=api.tenant) == []


def test_installed_integrations_stand_in_the_order_they_are_tried(api: Api) -> None:
    install(api, "sandbox_primary", priority=5)
    install(api, "sandbox_secondary", priority=1)
    install(api, "quiet_sms", priority=5, config={"sender": "A"})
    listed = [row["provider_key"] for row in api.get("/integrations/installed").json()["data"]]
    assert listed == ["sandbox_secondary", "sandbox_primary", "quiet_sms"]
    assert [each.provider_key for each in installing.candidates(tenant_id=api.tenant)] == listed


def test_an_installation_is_changed_in_place(api: Api) -> None:
    path = f"/integrations/{install(api, 'quiet_sms', config={'sender': 'A'}).json()['id']}"
    answer = api.patch(path, {"enabled": False, "priority": 0, "config": {"sender": "B"}})
    assert answer.status_code == 200
    assert (answer.json()["enabled"], answer.json()["priority"], answer.json()["config"]) == (False, 0, {"sender": "B"})
    [candidate] = installing.candidates(tenant_id=api.tenant)
    assert (candidate.enabled, candidate.priority, candidate.config) == (False, 0, {"sender": "B"})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, "body"),
        ({"enabled": "no"}, "enabled"),
        ({"config": {}}, "config.sender"),
        ({"provider_key": "x"}, "provider_key"),
        ({"priority": 2000}, "priority"),
    ],
)
def test_a_faulty_change_is_named_and_changes_nothing(api: Api, change: dict[str, Any], field: str) -> None:
    before = install(api, "quiet_sms", config={"sender": "A"}).json()
    answer = api.patch(f"/integrations/{before['id']}", change)
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == [field]
    assert api.get(f"/integrations/{before['id']}").json() == before


def test_an_uninstalled_integration_can_be_installed_again(api: Api) -> None:
    path = f"/integrations/{install(api).json()['id']}"
    assert api.delete(path).status_code == 204
    assert api.get(path).json()["code"] == NOT_FOUND
    assert install(api).status_code == 201


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_tenants_installation_is_like_an_unknown_one(api: Api, method: str) -> None:
    theirs, unknown = install(another_tenant()).json()["id"], NOBODYS
    body = {"enabled": False} if method == "PATCH" else None
    foreign, missing = (api.request(method, f"/integrations/{each}", body) for each in (theirs, unknown))
    assert foreign.status_code == missing.status_code == 404
    assert _without_what_varies(foreign, theirs) == _without_what_varies(missing, unknown)


def _without_what_varies(answer: Any, asked_for: str) -> str:
    body = {name: value for name, value in answer.json().items() if name not in ("requestId", "timestamp")}
    return repr(body).replace(asked_for, "ID")


def test_routing_asks_the_database_once(api: Api, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    install(api, "sandbox_primary")
    install(api, "sandbox_secondary")
    with django_assert_num_queries(4):  # begin, the tenant's scope, the query, commit
        assert len(installing.candidates(tenant_id=api.tenant)) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/marketplace/integrations/sandbox_primary/install"),
        ("PATCH", f"/integrations/{NOBODYS}"),
        ("DELETE", f"/integrations/{NOBODYS}"),
    ],
)
def test_a_user_looks_and_an_organizer_changes(api: Api, method: str, path: str) -> None:
    assert api.as_role("user").get("/marketplace/integrations?limit=100").status_code == 200
    assert api.as_role("user").request(method, path, {}).json()["code"] == "ERR_RBAC_FORBIDDEN"
    assert api.as_role("organizer").request(method, path, {}).status_code != 403


def test_filters_take_each_spelling_of_true_that_openapi_describes(api: Api) -> None:
    install(api)
    assert slugs(api.get("/marketplace/integrations?installed=True")) == ["sandbox_primary"]


def test_of_two_removals_at_once_one_is_told_that_it_is_gone(api: Api) -> None:
    installation = install(api).json()["id"]
    with locked("marketplace_installation", read_id(installation)) as cursor:
        both = [in_a_thread(lambda: api.delete(f"/integrations/{installation}")) for _ in range(2)]
        eventually(lambda: waiting(cursor) == 2, seconds=5, what="both wait")
    assert sorted(each.result().status_code for each in both) == [204, 404]
    assert len(trail_of(api.tenant, "installation.removed")) == 1


def test_a_change_that_a_removal_overtakes_is_told_that_it_is_gone(api: Api) -> None:
    path = f"/integrations/{(installation := install(api).json()['id'])}"
    with locked("marketplace_installation", read_id(installation)) as cursor:
        removal = in_a_thread(lambda: api.delete(path))
        eventually(lambda: waiting(cursor) == 1, seconds=5, what="the removal waits")
        change = in_a_thread(lambda: api.patch(path, {"priority": 7}))
        eventually(lambda: waiting(cursor) == 2, seconds=5, what="the change waits behind it")
    assert removal.result().status_code == 204
    assert (change.result().status_code, change.result().json()["code"]) == (404, NOT_FOUND)
    assert trail_of(api.tenant, "installation.changed") == []
