"""Who is turned away: callers in their tenant's chain, nobody in particular in the platform's; no flood of either."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test import Client

from integrationhub.audit import refusals
from tests.audit.reading import at_once, refusing_entries, trail_of, verify
from tests.environment import PLATFORM_TENANT
from tests.make import Api, token

PLATFORM = UUID(PLATFORM_TENANT)
CREDENTIAL = "/credentials/01975b9e-3c4d-7aaa-8bbb-0123456789ab"


def test_a_role_that_is_too_low_is_told(api: Api, tenant: UUID) -> None:
    assert api.as_role("organizer").delete(CREDENTIAL).status_code == 403
    (entry,) = trail_of(tenant)
    assert (entry.action, entry.actor) == ("denied.role", "tester")
    assert entry.about == "DELETE /credentials/<str:credential_id>"
    assert entry.details == {
        "reason": "role_too_low",
        "required_role": "admin",
        "asked_credential_id": "01975b9e-3c4d-7aaa-8bbb-0123456789ab",
    }


def test_a_caller_who_names_another_tenant_is_told_in_its_own_chain(api: Api, tenant: UUID) -> None:
    other = uuid4()
    assert api.get("/credentials", headers={"x-tenant-id": str(other)}).status_code == 403
    (entry,) = trail_of(tenant)
    assert (entry.action, entry.about) == ("denied.tenant", "GET /credentials")
    assert entry.details == {"reason": "tenant_mismatch", "asked_tenant": str(other)}
    assert trail_of(other) == []


def test_writes_to_what_all_tenants_share_are_told(api: Api, tenant: UUID) -> None:
    assert api.post("/providers", {}).status_code == 403
    assert [entry.details["reason"] for entry in trail_of(tenant)] == ["platform_only"]


def test_what_is_not_refused_for_who_asks_is_no_refusal(api: Api, tenant: UUID) -> None:
    assert api.get("/executions?limit=0").status_code == 400
    assert api.get(CREDENTIAL).status_code == 404
    assert trail_of(tenant) == []


def ask(authorization: str, path: str = "/credentials") -> Any:
    headers = {"Authorization": authorization, "x-tenant-id": str(uuid4())}
    return Client().get(f"/integrationhub/v1{path}", headers=headers)


def test_a_flood_without_a_token_is_one_entry_of_the_platforms_chain() -> None:
    assert at_once(lambda _: ask("").status_code, 8) == [401] * 8
    assert [ask("Bearer a.b.c").status_code for _ in range(20)] == [401] * 20
    assert [ask("", path).status_code for path in ("/executions", "/usage", "/intents")] == [401] * 3
    entries = trail_of(PLATFORM)
    assert {(entry.action, entry.actor, entry.about) for entry in entries} == {
        ("denied.token", "unknown", "GET /credentials")
    }
    assert sorted(entry.details["reason"] for entry in entries) == ["malformed", "missing_token"]


def test_who_comes_to_the_services_door_without_a_certificate_is_told(tenant: UUID) -> None:
    assert Client().get(f"/integrationhub/v1/internal/credentials/{tenant}/parcel_sms").status_code == 401
    (entry,) = trail_of(PLATFORM)
    assert (entry.action, entry.actor) == ("denied.mtls", "unknown")
    assert entry.about == "GET /internal/credentials/<str:tenant_id>/<str:provider_key>"
    assert (entry.details["asked_tenant_id"], entry.details["asked_provider_key"]) == (str(tenant), "parcel_sms")
    assert trail_of(tenant) == []


def test_those_that_were_left_out_are_counted_in_the_next_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        ask("")
    monkeypatch.setattr(refusals, "QUIET_SECONDS", 0)
    ask("")
    ask("")
    assert [entry.details.get("left_out") for entry in trail_of(PLATFORM)] == [None, 4, None]


def test_a_caller_that_floods_hides_no_other_refusal(api: Api, tenant: UUID) -> None:
    for _ in range(10):
        api.as_role("user").get("/credentials")
    api.as_role("user").delete(CREDENTIAL)
    somebody_else = {"Authorization": f"Bearer {token(tenant, 'user', sub='other')}", "x-tenant-id": str(tenant)}
    Client().get("/integrationhub/v1/credentials", headers=somebody_else)
    assert [(entry.actor, entry.about) for entry in trail_of(tenant)] == [
        ("tester", "GET /credentials"),
        ("tester", "DELETE /credentials/<str:credential_id>"),
        ("other", "GET /credentials"),
    ]
    assert verify()[0]


def test_a_refusal_that_cannot_be_written_is_a_refusal_all_the_same(
    api: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing_entries():
        assert api.as_role("user").get("/credentials").status_code == 403
        assert ask("").status_code == 401
    assert trail_of(tenant) == trail_of(PLATFORM) == []
    monkeypatch.setattr(refusals, "QUIET_SECONDS", 0)
    api.as_role("user").get("/credentials")
    assert [entry.details["left_out"] for entry in trail_of(tenant)] == [1]


def test_a_refusal_that_cannot_be_written_is_counted_with_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        ask("")
    monkeypatch.setattr(refusals, "QUIET_SECONDS", 0)
    with refusing_entries():
        ask("")
    ask("")
    assert [entry.details.get("left_out") for entry in trail_of(PLATFORM)] == [None, 3]


@pytest.fixture
def database_is_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The application's role may not log in, and what was open is closed."""
    database = connections["default"]
    monkeypatch.setitem(database.settings_dict["OPTIONS"]["pool"], "timeout", 2.0)  # As in production.
    database.close()
    database.close_pool()
    with connections["owner"].cursor() as owner:
        owner.execute(f'ALTER ROLE "{database.settings_dict["USER"]}" NOLOGIN')
        yield
        owner.execute(f'ALTER ROLE "{database.settings_dict["USER"]}" LOGIN')
    database.close_pool()


@pytest.mark.usefixtures("database_is_away")
def test_a_database_that_is_away_makes_no_refusal_a_500_and_slows_one_of_many(api: Api) -> None:
    clerk = api.as_role("user")
    assert (ask("").status_code, clerk.get("/credentials").status_code) == (401, 403)
    began = time.monotonic()
    assert [ask("").status_code for _ in range(20)] == [401] * 20
    assert [clerk.get("/credentials").status_code for _ in range(20)] == [403] * 20
    assert time.monotonic() - began < 20, "Each of forty would wait for two seconds."


def test_the_memory_of_floods_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "CAPACITY", 3)
    windows = refusals.Windows()
    assert [windows.take(number) for number in (1, 2, 3, 1, 4)] == [0, 0, 0, None, 0]
    assert windows.take(4) is None
    assert windows.take(1) == 0, "the oldest made room"
