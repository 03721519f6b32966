"""What callers do through the API, as the trail tells it."""

from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections

from credentials.models import Credential
from integrationhub.core.database import USUAL_RIGHTS
from marketplace.models import Installation
from providers.models import Provider
from tests.audit.reading import refusing_entries, said, trail_of, verify
from tests.environment import PLATFORM_TENANT
from tests.isolation.world import rows_of
from tests.make import Api, sms

CANARY = "canary-5e1f-of-the-auth-token"
CREDENTIAL = {"provider_key": "parcel_sms", "credentials": {"account": "canary-account", "auth_token": CANARY}}
METADATA = "https://169.254.169.254"


@pytest.fixture
def platform() -> Api:
    return Api(UUID(PLATFORM_TENANT))


def bind(api: Api, **over: Any) -> str:
    answer = api.post("/credentials/bind", {**CREDENTIAL, **over})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def test_a_credential_that_is_bound_and_revoked(api: Api, tenant: UUID) -> None:
    headers = {"x-request-id": "request-of-the-bind"}
    bound = api.post("/credentials/bind", CREDENTIAL, headers=headers).json()["id"]
    api.delete(f"/credentials/{bound}")
    first, second = trail_of(tenant)
    assert (first.action, first.actor, first.about) == ("credential.bound", "tester", f"credential:{bound}")
    assert first.request_id == "request-of-the-bind"
    assert first.details == {
        "provider_key": "parcel_sms",
        "version": 1,
        "verified": "verified",
        "expires_at": None,
    }
    assert (second.action, second.actor, second.about) == ("credential.revoked", "tester", f"credential:{bound}")
    assert verify()[0]


def test_a_credential_that_is_rotated_and_rolled_back(api: Api, tenant: UUID) -> None:
    first = bind(api)
    second = api.post(f"/credentials/{first}/rotate", {"credentials": CREDENTIAL["credentials"]}).json()["id"]
    assert api.post(f"/credentials/{second}/rollback").json()["id"] == first
    told = [(entry.action, entry.about, entry.details["version"]) for entry in trail_of(tenant)]
    assert told[1:] == [
        ("credential.rotated", f"credential:{second}", 2),
        ("credential.rolled_back", f"credential:{first}", 1),
    ]
    assert trail_of(tenant)[2].details["instead_of"] == 2


def test_no_secret_is_in_any_entry(api: Api, tenant: UUID) -> None:
    bind(api)
    bind(api, verify=False)
    api.as_role("user").post("/credentials/bind", CREDENTIAL)
    assert len(trail_of(tenant)) == 3
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT string_agg(entry::text, ' ') FROM audit_entry entry")
        text = cursor.fetchone()[0]
    assert "parcel_sms" in text
    assert "canary" not in text


def test_what_fails_is_not_told_as_done(api: Api, tenant: UUID) -> None:
    api.post("/credentials/bind", {**CREDENTIAL, "credentials": {}})
    api.post("/marketplace/integrations/no_such_thing/install")
    api.delete("/credentials/01975b9e-3c4d-7aaa-8bbb-0123456789ab")
    assert trail_of(tenant) == []


def test_an_installation_that_is_created_changed_and_removed(api: Api, tenant: UUID) -> None:
    installed = api.post("/marketplace/integrations/quiet_sms/install", {"config": {"sender": "canary"}}).json()["id"]
    again = api.post("/marketplace/integrations/quiet_sms/install", {"config": {"sender": "x"}})
    assert again.status_code == 409
    changes = {"enabled": False, "config": {"sender": "another"}}
    api.patch(f"/integrations/{installed}", changes)
    api.delete(f"/integrations/{installed}")
    assert said(tenant) == [
        ("installation.created", "tester"),
        ("installation.changed", "tester"),
        ("installation.removed", "tester"),
    ]
    assert {entry.about for entry in trail_of(tenant)} == {f"installation:{installed}"}
    changed = trail_of(tenant)[1].details
    assert changed == {"provider_key": "quiet_sms", "fields": ["config", "enabled"], "enabled": False}


def test_a_route_that_is_set_and_removed(api: Api, tenant: UUID) -> None:
    api.post("/marketplace/integrations/quiet_sms/install", {"config": {"sender": "x"}})
    for providers in ([{"provider_key": "quiet_sms"}], []):
        assert api.put("/routing/message.send.sms", {"providers": providers}).status_code == 200
    set_, removed = trail_of(tenant, "route.changed")
    assert (set_.actor, set_.about) == ("tester", "route:message.send.sms")
    assert set_.details == {"providers": [{"provider_key": "quiet_sms", "weight": None}]}
    assert removed.details == {"providers": []}


def test_a_provider_that_the_platforms_admin_creates_changes_and_retires(platform: Api) -> None:
    row = {"provider_key": "acme_sms", "display_name": "Acme", "category": "messaging", "status": "planned"}
    assert platform.post("/providers", row).status_code == 201
    assert platform.patch("/providers/acme_sms", {"display_name": "Acme Inc."}).status_code == 200
    assert platform.delete("/providers/acme_sms").status_code == 200
    entries = trail_of(platform.tenant)
    assert said(platform.tenant) == [
        ("provider.created", "tester"),
        ("provider.changed", "tester"),
        ("provider.retired", "tester"),
    ]
    assert {entry.about for entry in entries} == {"provider:acme_sms"}
    created, changed, retired = (entry.details for entry in entries)
    del row["provider_key"]
    assert created == {**row, "summary": "", "base_url": "", "position": 100}
    assert (changed, retired) == ({"display_name": "Acme Inc."}, {"status": "retired"})


def blocked(api: Api) -> None:
    """The operator has set an address of our own network for a provider that the tenant uses."""
    config = {"config": {"from": "+15005550006"}}
    assert api.post("/marketplace/integrations/twilio_sms/install", config).status_code == 201
    secrets = {"account_sid": f"AC{'0' * 32}", "auth_token": "f" * 32}
    bind(api, provider_key="twilio_sms", credentials=secrets, verify=False)
    Provider.objects.filter(provider_key="twilio_sms").update(base_url=METADATA)


def test_a_blocked_address_is_told_and_the_caller_learns_nothing_of_it(api: Api, tenant: UUID, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    blocked(api)
    answer = api.post("/execute", sms("+14155552671"))
    assert answer.status_code == 503
    assert answer.json()["details"]["errors"][0]["reason"] == "refused"
    (entry,) = trail_of(tenant, "outbound.blocked")
    assert (entry.actor, entry.about) == ("tester", "provider:twilio_sms")
    assert entry.details["intent"] == "message.send.sms"
    assert api.get(f"/executions/{entry.details['execution_id']}").json()["status"] == "failed"


def test_a_blocked_address_is_told_when_binding_asks_there(api: Api, tenant: UUID, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    blocked(api)
    secrets = {"account_sid": f"AC{'0' * 32}", "auth_token": "e" * 32}
    failed = api.post("/credentials/bind", {"provider_key": "twilio_sms", "credentials": secrets})
    assert failed.json()["details"]["upstreamReason"] == "refused"
    assert [entry.about for entry in trail_of(tenant, "outbound.blocked")] == ["provider:twilio_sms"]


def test_a_connection_that_is_refused_is_no_blocked_address(api: Api, tenant: UUID) -> None:
    blocked(api)
    Provider.objects.filter(provider_key="twilio_sms").update(base_url="http://127.0.0.1:1")
    answer = api.post("/execute", sms("+14155552671"))
    assert answer.json()["details"]["errors"][0]["reason"] == "refused"
    assert trail_of(tenant, "outbound.blocked") == []


def test_an_execution_that_succeeds_writes_no_entry(api: Api, tenant: UUID) -> None:
    assert api.post("/marketplace/integrations/sandbox_primary/install").status_code == 201
    assert api.post("/execute", sms()).status_code == 200
    assert [action for action, _ in said(tenant)] == ["installation.created"]


def test_what_cannot_be_told_is_not_done(api: Api, tenant: UUID) -> None:
    kept = bind(api)
    with refusing_entries():
        assert api.post("/credentials/bind", CREDENTIAL).status_code == 500
        assert api.delete(f"/credentials/{kept}").status_code == 500
        assert api.post("/marketplace/integrations/sandbox_primary/install").status_code == 500
    rows = Credential.objects.using("system").for_tenant(tenant)
    assert [(str(row.id), row.status) for row in rows] == [(kept, "active")]
    assert not Installation.objects.using("system").for_tenant(tenant).exists()


def test_each_change_of_a_tenants_things_stands_and_falls_with_its_entry(api: Api, tenant: UUID) -> None:
    first = bind(api)
    second = api.post(f"/credentials/{first}/rotate", {"credentials": CREDENTIAL["credentials"]}).json()["id"]
    installed = api.post("/marketplace/integrations/sandbox_primary/install").json()["id"]
    before = rows_of(tenant)
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/credentials/bind", CREDENTIAL),
        ("POST", f"/credentials/{second}/rollback", {}),
        ("DELETE", f"/credentials/{second}", {}),
        ("POST", "/marketplace/integrations/sandbox_secondary/install", {}),
        ("PATCH", f"/integrations/{installed}", {"enabled": False}),
        ("PUT", "/routing/message.send.sms", {"providers": [{"provider_key": "sandbox_primary"}]}),
        ("DELETE", f"/integrations/{installed}", {}),
    ]
    with refusing_entries():
        answered = [api.request(*change).status_code for change in changes]
    assert answered == [500] * len(changes)
    assert rows_of(tenant) == before
    assert [api.request(*change).status_code for change in changes] == [201, 200, 204, 201, 200, 200, 204]


def test_a_rotation_that_cannot_be_told_puts_nothing_in_use(api: Api, tenant: UUID) -> None:
    kept = bind(api)
    with refusing_entries():
        answer = api.post(f"/credentials/{kept}/rotate", {"credentials": CREDENTIAL["credentials"]})
    assert answer.status_code == 500
    rows = Credential.objects.using("system").for_tenant(tenant).order_by("version")
    assert [(str(row.id) == kept, row.status) for row in rows] == [(True, "active"), (False, "pending")]


def test_each_change_of_a_provider_stands_and_falls_with_its_entry(platform: Api) -> None:
    row = {"provider_key": "acme_sms", "display_name": "Acme", "category": "messaging", "status": "planned"}
    before = list(Provider.objects.values().order_by("pk"))
    with refusing_entries():
        answered = [
            platform.post("/providers", row).status_code,
            platform.patch("/providers/sandbox_primary", {"display_name": "Other"}).status_code,
            platform.delete("/providers/sandbox_primary").status_code,
        ]
    assert answered == [500] * 3
    assert list(Provider.objects.values().order_by("pk")) == before


def test_a_blocked_address_that_cannot_be_told_does_not_stand_in_the_outcomes_way(
    api: Api, tenant: UUID, settings: Any
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    blocked(api)
    with refusing_entries():
        answer = api.post("/execute", sms("+14155552671"))
    assert answer.json()["code"] == "ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED"
    (execution,) = api.get("/executions").json()["data"]
    assert execution["status"] == "failed"


def test_the_usual_rights_are_those_of_all_other_tables() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            """SELECT table_name, string_agg(privilege_type, ', ' ORDER BY privilege_type)
               FROM information_schema.role_table_grants WHERE grantee = %s GROUP BY 1""",
            [settings.DATABASES["default"]["USER"]],
        )
        granted = dict(cursor.fetchall())
    assert (granted.pop("audit_entry"), granted.pop("audit_head")) == ("INSERT, SELECT", "SELECT")
    granted.pop("django_migrations")
    assert set(granted.values()) == {", ".join(sorted(USUAL_RIGHTS.split(", ")))}
