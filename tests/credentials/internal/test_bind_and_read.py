"""What a sibling service that is let in may do: bind for any tenant, and read what is in use."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from django.db import connections

from credentials import binding
from credentials.models import Credential
from integrationhub.core.logs import JSONLine
from integrationhub.core.tenancy import tenant_scope
from tests.audit.reading import refusing_entries, said, trail_of
from tests.core.envelopes import assert_envelope
from tests.credentials.adapters import REFUSED, UNREACHABLE
from tests.credentials.internal.authority import BILLING_URI
from tests.credentials.internal.gateway import GOOD, TOKEN, Gateway
from tests.make import Api, another_tenant

BIND_FAILED = "ERR_INTEGRATION_HUB_SVC_INTERNAL_CREDENTIAL_BIND_FAILED"
NOT_FOUND = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND"
EXPIRED = "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_EXPIRED"


def fields(answer: Any) -> set[str]:
    return {fault["field"] for fault in answer.json()["details"]["fields"]}


def stored() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM credentials_credential")
        return cursor.fetchone()[0]


def test_what_a_service_binds_is_its_tenants_and_shown_masked(gateway: Gateway, api: Api) -> None:
    answer = gateway.bind(api.tenant)
    assert answer.status_code == 201
    assert TOKEN not in answer.content.decode()
    assert answer.json() == api.get(f"/credentials/{answer.json()['id']}").json()
    assert another_tenant().get("/credentials").json()["data"] == []


def test_a_service_reads_the_secret_that_is_in_use(gateway: Gateway, api: Api) -> None:
    api.post("/credentials/bind", {**GOOD, "credentials": {"account": "AC0", "auth_token": "an-older-token"}})
    bound = api.post("/credentials/bind", GOOD).json()
    answer = gateway.read(api.tenant)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": bound["id"],
        "tenant_id": str(api.tenant),
        "provider_key": "parcel_sms",
        "version": 2,
        "expires_at": None,
        "credentials": GOOD["credentials"],
    }


def test_the_secret_is_kept_by_no_cache(gateway: Gateway, tenant: UUID) -> None:
    gateway.bind(tenant)
    answer = gateway.read(tenant)
    assert (answer["Cache-Control"], answer.has_header("ETag")) == ("no-store", False)


def test_each_tenants_secret_is_its_own(gateway: Gateway) -> None:
    tenants = [uuid4(), uuid4()]
    for number, tenant in enumerate(tenants):
        gateway.bind(tenant, credentials={"account": str(number), "auth_token": TOKEN})
    read = [gateway.read(tenant).json()["credentials"]["account"] for tenant in tenants]
    assert read == ["0", "1"]


def test_what_is_not_there_is_not_found(gateway: Gateway, api: Api) -> None:
    gateway.bind(api.tenant)
    for tenant, provider_key in (
        (uuid4(), "parcel_sms"),
        (api.tenant, "quiet_sms"),
        (api.tenant, "nobody_sms"),
        (api.tenant, "Parcel_SMS"),
        ("no-uuid", "parcel_sms"),
        (f"{{{api.tenant}}}", "parcel_sms"),
    ):
        answer = gateway.read(tenant, provider_key)
        assert assert_envelope(answer, 404)["code"] == NOT_FOUND, (tenant, provider_key)


def test_a_revoked_credential_is_not_read(gateway: Gateway, api: Api) -> None:
    bound = gateway.bind(api.tenant).json()
    api.delete(f"/credentials/{bound['id']}")
    assert gateway.read(api.tenant).json()["code"] == NOT_FOUND


def test_an_expired_credential_is_not_read(gateway: Gateway, tenant: UUID) -> None:
    gateway.bind(tenant)
    with tenant_scope(tenant):
        Credential.objects.for_tenant(tenant).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert assert_envelope(gateway.read(tenant), 400)["code"] == EXPIRED


def test_a_credential_revoked_while_it_was_opened_is_not_handed_out(
    gateway: Gateway, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = gateway.bind(api.tenant).json()
    usual = binding.opened

    def opened_slowly(credential: Credential) -> dict[str, Any]:
        secrets = usual(credential)
        assert api.delete(f"/credentials/{bound['id']}").status_code == 204
        return secrets

    monkeypatch.setattr(binding, "opened", opened_slowly)
    answer = gateway.read(api.tenant)
    assert (answer.json()["code"], TOKEN in answer.content.decode()) == (NOT_FOUND, False)


def test_a_read_that_cannot_be_recorded_hands_out_nothing(gateway: Gateway, tenant: UUID) -> None:
    gateway.bind(tenant)
    with refusing_entries():
        answer = gateway.read(tenant)
    assert (answer.status_code, TOKEN in answer.content.decode()) == (500, False)


def test_a_bind_that_cannot_be_recorded_stores_nothing(gateway: Gateway, tenant: UUID) -> None:
    with refusing_entries():
        assert gateway.bind(tenant).status_code == 500
    assert stored() == 0


def test_bind_and_read_stand_in_the_trail_with_who_made_them_and_without_the_secret(
    gateway: Gateway, tenant: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        bound = gateway.bind(tenant).json()
        gateway.read(tenant)
    service = f"service:{BILLING_URI}"
    assert said(tenant) == [("credential.bound", service), ("credential.read", service)]
    read = trail_of(tenant)[1]
    assert (read.about, read.details) == (f"credential:{bound['id']}", {"provider_key": "parcel_sms", "version": 1})
    lines = [JSONLine().format(record) + repr(vars(record)) for record in caplog.records]
    assert not any(TOKEN in line for line in lines)


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"tenant_id": None}, {"tenant_id"}),
        ({"tenant_id": "no-uuid"}, {"tenant_id"}),
        ({"tenant_id": 7, "verify": 1, "expires_at": "tomorrow"}, {"tenant_id", "verify", "expires_at"}),
        ({"tenant_id": "", "provider_key": "sandbox_primary", "credentials": {}}, {"tenant_id"}),
        ({"credentials": {"colour": "red"}}, {"credentials.account", "credentials.auth_token", "credentials.colour"}),
        ({"provider_key": "nobody_sms"}, {"provider_key"}),
    ],
)
def test_every_fault_of_a_binding_is_named_at_once(
    gateway: Gateway, tenant: UUID, over: dict[str, Any], named: set[str]
) -> None:
    answer = gateway.request("POST", "/bind", {"tenant_id": str(tenant), **GOOD, **over})
    assert assert_envelope(answer, 400, "invalid_fields")["code"] == BIND_FAILED
    assert fields(answer) == named
    assert stored() == 0


def test_a_binding_without_anything_names_what_it_lacks(gateway: Gateway) -> None:
    assert fields(gateway.request("POST", "/bind", {})) == {"tenant_id", "provider_key", "credentials"}


@pytest.mark.parametrize(("auth_token", "is_retryable"), [(REFUSED, False), (UNREACHABLE, True)])
def test_a_failed_binding_says_what_the_tenants_own_would(
    gateway: Gateway, api: Api, auth_token: str, is_retryable: bool
) -> None:
    secrets = {"account": "AC1", "auth_token": auth_token}
    ours = assert_envelope(gateway.bind(api.tenant, credentials=secrets), 400)
    theirs = api.post("/credentials/bind", {**GOOD, "credentials": secrets}).json()
    assert (ours["code"], ours["retryable"]) == (BIND_FAILED, is_retryable)
    assert (ours["message"], ours["details"]) == (theirs["message"], theirs["details"])
    assert auth_token not in json.dumps(ours)
    assert stored() == 0


def test_the_same_key_of_one_tenant_binds_once(gateway: Gateway) -> None:
    one, other, key = uuid4(), uuid4(), {"Idempotency-Key": "once"}
    first, again, elsewhere = (gateway.bind(tenant, key) for tenant in (one, one, other))
    assert (first.content, again["Idempotent-Replayed"]) == (again.content, "true")
    assert (elsewhere.status_code, elsewhere.has_header("Idempotent-Replayed")) == (201, False)
    assert stored() == 2
    assert_envelope(gateway.bind(one, key, verify=False), 422, "idempotency_key_reused")


def test_a_key_for_a_tenants_own_binding_is_another(gateway: Gateway, api: Api) -> None:
    own = api.post("/credentials/bind", GOOD, headers={"Idempotency-Key": "once"})
    services = gateway.bind(api.tenant, {"Idempotency-Key": "once"})
    assert (own.json()["version"], services.json()["version"]) == (1, 2)


def test_a_refused_binding_leaves_its_key_free(gateway: Gateway, tenant: UUID) -> None:
    key = {"Idempotency-Key": "once"}
    assert_envelope(gateway.bind(tenant, key, provider_key="nobody_sms"), 400)
    assert_envelope(gateway.bind("no-uuid", key), 400)
    assert gateway.bind(tenant, key).status_code == 201


def test_a_service_uses_up_nobodys_rate_limit(gateway: Gateway, api: Api) -> None:
    before = int(api.get("/credentials")["X-RateLimit-Remaining"])
    answers = [gateway.bind(api.tenant), *(gateway.read(api.tenant) for _ in range(3))]
    assert not any(name.lower().startswith(("x-ratelimit", "ratelimit")) for each in answers for name in each.headers)
    assert int(api.get("/credentials")["X-RateLimit-Remaining"]) == before - 1


def test_each_line_of_the_log_names_tenant_and_service(gateway: Gateway, tenant: UUID) -> None:
    for answer in (gateway.bind(tenant), gateway.read(tenant)):
        assert answer.status_code < 300
        context = structlog.contextvars.get_contextvars()
        assert (context["tenant_id"], context["service"]) == (str(tenant), BILLING_URI)


def test_a_request_of_a_service_has_an_id_as_any_other(gateway: Gateway, tenant: UUID) -> None:
    answer = gateway.request("GET", f"/{tenant}/parcel_sms", x_request_id="from-billing-1")
    assert (answer["x-request-id"], answer.json()["requestId"]) == ("from-billing-1", "from-billing-1")
