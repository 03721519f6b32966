from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.db.models import Value
from django.db.models.functions import Concat

from providers.models import Provider
from providers.seeding import seed
from tests.make import Api

SVC = "ERR_INTEGRATION_HUB_SVC_"
NEW = {"provider_key": "acme_sms", "display_name": "Acme", "category": "messaging", "status": "planned"}


@pytest.fixture
def platform(settings: Any) -> Api:
    """An admin of the platform's own tenant; a fresh one, so that no other test has used up its minute."""
    platform = Api(uuid4())
    settings.PLATFORM_TENANT_ID = str(platform.tenant)
    return platform


def fields_of(answer: Any) -> dict[str, str]:
    return {fault["field"]: fault["reason"] for fault in answer.json()["details"]["fields"]}


def keys_of(answer: Any) -> list[str]:
    return [row["provider_key"] for row in answer.json()["data"]]


# --- Reading ---


def test_every_user_may_read_the_catalogue(api: Api) -> None:
    answer = api.as_role("user").get("/providers?limit=100")
    assert answer.status_code == 200
    assert {"sandbox_primary", "sandbox_secondary"} <= set(keys_of(answer))
    assert answer.json()["data"][0].keys() == {
        "provider_key", "id", "display_name", "category", "status", "summary", "position", "intents", "has_adapter",
        "needs_credential", "needs_connection", "created_at", "updated_at",
    }  # fmt: skip


def test_the_second_version_answers_alike(api: Api) -> None:
    assert api.get("/providers", version="v2").json() == api.get("/providers").json()


def test_the_list_is_paged_in_the_operators_order(api: Api) -> None:
    Provider.objects.create(**NEW, position=1)
    Provider.objects.filter(provider_key="sandbox_primary").update(position=500)
    keys, page = [], api.get("/providers?limit=2").json()
    while page["has_more"]:
        assert len(page["data"]) == 2
        keys += [row["provider_key"] for row in page["data"]]
        page = api.get(f"/providers?limit=2&cursor={page['next_cursor']}").json()
    keys += [row["provider_key"] for row in page["data"]]
    assert page["next_cursor"] is None
    assert (keys[0], keys[-1]) == ("acme_sms", "sandbox_primary")
    assert keys[1:-1] == sorted(keys[1:-1])
    assert len(keys) == Provider.objects.count()


@pytest.mark.parametrize(
    ("query", "found", "not_found"),
    [
        ("status=planned", "acme_sms", "sandbox_primary"),
        ("status=active&category=messaging", "sandbox_primary", "acme_sms"),
        ("category=messaging", "acme_sms", "pebble_storage"),
        ("category=storage", "pebble_storage", "sandbox_primary"),
        ("intent=message.send.sms", "sandbox_primary", "acme_sms"),
    ],
)
def test_the_list_can_be_narrowed(api: Api, query: str, found: str, not_found: str) -> None:
    Provider.objects.create(**NEW)
    Provider.objects.create(**{**NEW, "provider_key": "pebble_storage", "category": "storage"})
    keys = keys_of(api.get(f"/providers?limit=100&{query}"))
    assert found in keys
    assert not_found not in keys


def test_every_filter_without_meaning_is_named(api: Api) -> None:
    answer = api.get("/providers?category=x&status=&intent=sms")
    assert (answer.status_code, answer.json()["code"]) == (400, SVC + "INVALID_REQUEST")
    assert fields_of(answer) == dict.fromkeys(("category", "status", "intent"), "not_allowed")
    expected = {fault["field"]: fault["expected"] for fault in answer.json()["details"]["fields"]}
    assert expected["status"] == "one of planned, active, disabled, retired"


def test_one_provider_is_read_by_its_key(api: Api) -> None:
    row = api.get("/providers/sandbox_primary").json()
    assert (row["has_adapter"], row["needs_credential"], row["status"]) == (True, False, "active")
    assert "message.send.whatsapp" in row["intents"]


@pytest.mark.parametrize("key", ["nobody", "%20", "sandbox_primary%20", "x" * 300])
def test_an_unknown_key_is_not_found(api: Api, key: str) -> None:
    answer = api.get(f"/providers/{key}")
    assert (answer.status_code, answer.json()["code"]) == (404, SVC + "PROVIDER_NOT_FOUND")


def test_a_key_in_other_letters_is_not_found_but_said(api: Api) -> None:
    answer = api.get("/providers/Sandbox_Primary")
    assert answer.json()["code"] == SVC + "PROVIDER_NOT_FOUND"
    assert "Did you mean 'sandbox_primary'" in answer.json()["message"]


def test_where_the_sandbox_is_off_it_is_not_shown(api: Api, settings: Any) -> None:
    settings.SANDBOX_ENABLED = False
    assert not {"sandbox_primary", "sandbox_secondary"} & set(keys_of(api.get("/providers?limit=100")))
    assert api.get("/providers/sandbox_primary").status_code == 404


def test_an_adapter_shows_its_schemas(api: Api) -> None:
    body = api.get("/providers/sandbox_primary/adapter").json()
    assert body["config_schema"]["type"] == "object"
    assert body["credential_schema"] is None
    assert body["is_sandbox"] is True
    assert (body["needs_connection"], body["connection_scopes"]) == (None, [])


def test_an_adapter_that_acts_by_a_connected_account_says_whose_and_what_it_is_to_grant(api: Api) -> None:
    body = api.get("/providers/microsoft_email/adapter").json()
    assert (body["needs_connection"], body["credential_schema"]) == ("microsoft", None)
    assert body["connection_scopes"] == ["Mail.Send", "https://graph.microsoft.com/Mail.Send"]
    row = api.get("/providers/microsoft_email").json()
    assert (row["needs_credential"], row["needs_connection"]) == (False, "microsoft")


def test_a_planned_provider_has_no_adapter_and_says_which_have(api: Api) -> None:
    Provider.objects.create(**NEW)
    answer = api.get("/providers/acme_sms/adapter")
    assert (answer.status_code, answer.json()["code"]) == (404, SVC + "ADAPTER_NOT_FOUND")
    assert "sandbox_primary" in answer.json()["details"]["availableAdapters"]


def test_an_adapter_of_no_provider_is_a_provider_not_found(api: Api) -> None:
    assert api.get("/providers/nobody/adapter").json()["code"] == SVC + "PROVIDER_NOT_FOUND"


def test_the_intents_are_listed_whole(api: Api) -> None:
    rows = {row["intent"]: row for row in api.as_role("user").get("/intents").json()["data"]}
    assert len(rows) == 14
    assert rows["message.send.sms"]["on_ambiguous"] == "stop"
    assert rows["storage.get.object"]["on_ambiguous"] == "next"


def test_an_intent_gives_its_schema_and_an_example(api: Api) -> None:
    body = api.get("/intents/message.send.sms").json()
    assert body["schema"]["required"] == ["to", "text"]
    assert body["example"]["to"] == "+14155552671"


def test_an_unknown_intent_is_an_invalid_intent(api: Api) -> None:
    answer = api.get("/intents/message.send.smss")
    assert (answer.status_code, answer.json()["code"]) == (400, SVC + "INVALID_INTENT")
    assert answer.json()["details"]["didYouMean"] == ["message.send.sms"]


# --- Writing ---


def test_an_operator_adds_a_provider(platform: Api) -> None:
    answer = platform.post("/providers", {**NEW, "summary": "Planned for spring", "position": 7})
    assert answer.status_code == 201
    assert answer.json() == platform.get("/providers/acme_sms").json()
    assert (answer.json()["has_adapter"], answer.json()["intents"]) == (False, [])


def test_every_fault_of_a_new_provider_is_named(platform: Api) -> None:
    row = {"provider_key": "Acme", "category": "phones", "status": 1, "position": -1, "base_url": "https://x.example"}
    answer = platform.post("/providers", row)
    assert (answer.status_code, answer.json()["code"]) == (400, SVC + "PROVIDER_CREATE_FAILED")
    assert fields_of(answer) == {
        "provider_key": "wrong_form",
        "display_name": "required",
        "category": "not_allowed",
        "status": "wrong_type",
        "position": "too_small",
        "base_url": "unknown_member",
    }
    assert not Provider.objects.filter(position=-1).exists()


@pytest.mark.parametrize("key", ["ab", "9lives", "acme-sms", "Acme_sms", "acme_sms\n", "a" * 65, "äcme", ""])
def test_a_key_of_another_form_is_refused(platform: Api, key: str) -> None:
    answer = platform.post("/providers", {**NEW, "provider_key": key})
    assert fields_of(answer) == {"provider_key": "wrong_form"}


def test_a_key_that_exists_is_refused(platform: Api) -> None:
    answer = platform.post("/providers", {**NEW, "provider_key": "sandbox_primary"})
    assert answer.json()["code"] == SVC + "PROVIDER_CREATE_FAILED"
    assert fields_of(answer) == {"provider_key": "already_exists"}


def test_of_many_at_once_one_gets_the_key(platform: Api) -> None:
    def post(_: int) -> int:
        try:
            return Api(platform.tenant).post("/providers", NEW).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(8)))
    assert sorted(answers) == [201] + [400] * 7


def test_without_an_adapter_a_provider_cannot_be_active(platform: Api) -> None:
    answer = platform.post("/providers", {**NEW, "status": "active"})
    assert fields_of(answer) == {"status": "no_adapter"}
    assert "planned" in answer.json()["message"]


def test_an_operator_changes_some_members(platform: Api) -> None:
    answer = platform.patch("/providers/sandbox_primary", {"display_name": "First", "status": "disabled"})
    assert answer.status_code == 200
    row = platform.get("/providers/sandbox_primary").json()
    assert (row["display_name"], row["status"], row["category"]) == ("First", "disabled", "messaging")


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({}, {"body": "too_few"}),
        ({"provider_key": "other"}, {"provider_key": "unknown_member"}),
        ({"base_url": "https://x.example"}, {"base_url": "unknown_member"}),
        ({"status": "gone", "display_name": " "}, {"status": "not_allowed", "display_name": "wrong_form"}),
    ],
)
def test_every_fault_of_a_change_is_named(platform: Api, change: dict, faults: dict) -> None:
    before = platform.get("/providers/sandbox_primary").json()
    answer = platform.patch("/providers/sandbox_primary", change)
    assert (answer.status_code, answer.json()["code"]) == (400, SVC + "PROVIDER_CREATE_FAILED")
    assert fields_of(answer) == faults
    assert platform.get("/providers/sandbox_primary").json() == before


def test_a_planned_provider_cannot_be_switched_on_without_an_adapter(platform: Api) -> None:
    Provider.objects.create(**NEW)
    assert fields_of(platform.patch("/providers/acme_sms", {"status": "active"})) == {"status": "no_adapter"}


def test_retiring_keeps_the_row_and_can_be_said_twice(platform: Api) -> None:
    for _ in range(2):
        answer = platform.delete("/providers/sandbox_secondary")
        assert (answer.status_code, answer.json()["status"]) == (200, "retired")
    assert keys_of(platform.get("/providers?status=retired")) == ["sandbox_secondary"]


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_what_does_not_exist_cannot_be_changed(platform: Api, method: str) -> None:
    answer = getattr(platform, method)("/providers/nobody", **({"body": {"summary": "x"}} if method == "patch" else {}))
    assert answer.json()["code"] == SVC + "PROVIDER_NOT_FOUND"


WRITES = [("POST", "/providers"), ("PATCH", "/providers/sandbox_primary"), ("DELETE", "/providers/sandbox_primary")]


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("who", ["an admin of another tenant", "an organizer of the platform"])
def test_only_the_platforms_admins_write(platform: Api, who: str, method: str, path: str) -> None:
    caller = Api(uuid4()) if "another" in who else platform.as_role("organizer")
    answer = caller.request(method, path, {"status": "disabled"})
    assert (answer.status_code, answer.json()["code"]) == (403, "ERR_RBAC_FORBIDDEN")
    assert Provider.objects.get(provider_key="sandbox_primary").status == "active"


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_nobody_writes_where_no_platform_tenant_is_named(platform: Api, settings: Any, method: str, path: str) -> None:
    settings.PLATFORM_TENANT_ID = ""
    assert platform.request(method, path, {"status": "disabled"}).json()["code"] == "ERR_RBAC_FORBIDDEN"


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/providers"), ("POST", "/providers/sandbox_primary"), ("DELETE", "/intents"), ("PATCH", "/intents/x.y")],
)
def test_a_foreign_method_is_refused_in_the_envelope(platform: Api, method: str, path: str) -> None:
    answer = platform.request(method, path, {})
    assert (answer.status_code, answer.json()["code"]) == (405, SVC + "INVALID_REQUEST")


# --- Seeding ---


def test_seeding_again_leaves_the_operators_changes(platform: Api) -> None:
    platform.patch("/providers/sandbox_primary", {"display_name": "Ours"})
    platform.delete("/providers/sandbox_secondary")
    before = Provider.objects.count()
    seed()
    assert platform.get("/providers/sandbox_primary").json()["display_name"] == "Ours"
    assert platform.get("/providers/sandbox_secondary").json()["status"] == "retired"
    assert Provider.objects.count() == before


def test_where_the_sandbox_is_off_it_is_not_seeded(settings: Any) -> None:
    Provider.objects.update(provider_key=Concat("provider_key", Value("_before")))
    settings.SANDBOX_ENABLED = False
    seed()
    seeded = Provider.objects.exclude(provider_key__endswith="_before")
    assert seeded.exists()
    assert not seeded.filter(provider_key__startswith="sandbox_").exists()


def test_the_same_key_adds_a_provider_once(platform: Api) -> None:
    first, second = (platform.post("/providers", NEW, headers={"Idempotency-Key": "add-acme"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second["Idempotent-Replayed"] == "true"
    assert second.content == first.content
