"""Whose number a tenant sends by, and whose tenant a number belongs to."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from providers.models import Provider
from tests.make import Api, another_tenant
from tests.meta.calling import TEXT, soon
from tests.meta.graph_server import APP_SECRET, GraphServer
from tests.whatsapp import numbers
from tests.whatsapp.numbers import bind, credentials
from whatsapp import accounts
from whatsapp.errors import WhatsappNotConfigured
from whatsapp.models import BusinessNumber

OTHER = "109999999999999"


@pytest.fixture
def no_deployment(settings: Any, meta: GraphServer) -> None:
    """The settings name no account."""
    settings.META_WABA_ID = settings.META_WHATSAPP_ACCESS_TOKEN = settings.META_WHATSAPP_PHONE_NUMBER_ID = ""


def test_a_number_is_bound_once_meta_has_shown_it_to_the_token(api: Api, meta: GraphServer) -> None:
    answer = bind(api, credentials(meta))
    assert (answer.status_code, answer.json()["verified"], answer.json()["last4"]) == (201, True, meta.token[-4:])
    assert [asked.path for asked in meta.asked] == [f"/{meta.waba_id}/phone_numbers"]
    assert meta.token not in answer.content.decode()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"access_token": "EAAG-a-token-that-has-expired"}, "meta_190"),
        ({"waba_id": "100000000000001"}, "meta_100"),
        ({"phone_number_id": OTHER}, "number_not_in_account"),
    ],
)
def test_a_number_that_the_token_does_not_reach_is_not_bound(
    api: Api, meta: GraphServer, wrong: dict[str, str], reason: str
) -> None:
    answer = bind(api, credentials(meta, **wrong))
    body = answer.json()
    assert (answer.status_code, body["details"]["upstreamReason"]) == (400, reason)
    assert api.get("/credentials").json()["data"] == []
    assert not BusinessNumber.objects.using("system").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"phone_number_id": "+14155552671"},
        {"waba_id": "../me"},
        {"access_token": "two words of a token here"},
        {"app_secret": "short"},
        {"another": "member"},
    ],
)
def test_what_cannot_be_an_account_is_named(api: Api, meta: GraphServer, wrong: dict[str, str]) -> None:
    answer = bind(api, credentials(meta, **wrong))
    [name] = wrong
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == [f"credentials.{name}"]
    assert meta.asked == []


def test_the_tenants_own_account_comes_before_the_deployments(api: Api, meta: GraphServer) -> None:
    assert accounts.of(api.tenant).access_token == meta.token
    meta.other_numbers = [OTHER]
    secrets = credentials(meta, phone_number_id=OTHER, previous_app_secret="a" * 32)
    assert bind(api, secrets).status_code == 201
    account = accounts.of(api.tenant)
    assert (account.phone_number_id, account.waba_id) == (OTHER, meta.waba_id)
    assert account.app_secrets == (APP_SECRET, "a" * 32)
    assert accounts.of(uuid4()).phone_number_id == meta.phone_number_id


@pytest.mark.parametrize("missing", ["META_WABA_ID", "META_WHATSAPP_ACCESS_TOKEN", "META_WHATSAPP_PHONE_NUMBER_ID"])
def test_with_neither_account_whatsapp_is_not_configured(meta: GraphServer, settings: Any, missing: str) -> None:
    setattr(settings, missing, "")
    with pytest.raises(WhatsappNotConfigured) as caught:
        accounts.of(uuid4())
    assert caught.value.entry.code == "ERR_INTEGRATION_HUB_SVC_WHATSAPP_NOT_CONFIGURED"


def test_a_revoked_account_is_none(api: Api, meta: GraphServer, no_deployment: None) -> None:
    credential = bind(api, credentials(meta)).json()["id"]
    assert accounts.of(api.tenant).access_token == meta.token
    api.delete(f"/credentials/{credential}")
    with pytest.raises(WhatsappNotConfigured):
        accounts.of(api.tenant)


def test_calls_go_where_the_operator_says(api: Api, meta: GraphServer, settings: Any) -> None:
    settings.META_GRAPH_BASE_URL = "http://127.0.0.1:9"
    Provider.objects.filter(provider_key="meta_whatsapp").update(base_url=meta.base_url)
    accounts.graph(api.tenant).send(TEXT, soon())
    assert len(meta.sent) == 1


# --- Whose tenant ---


def test_a_number_leads_to_the_tenant_that_bound_it(api: Api, meta: GraphServer, no_deployment: None) -> None:
    bind(api, credentials(meta))
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == api.tenant
    assert accounts.tenants_of_waba(meta.waba_id) == [api.tenant]
    assert accounts.tenant_of_phone_number(OTHER) is None
    assert accounts.tenants_of_waba(OTHER) == []


def test_a_number_bound_unverified_leads_nowhere(api: Api, meta: GraphServer, no_deployment: None) -> None:
    """Else anybody would get the messages of a number whose id they know."""
    secrets = credentials(meta, access_token="EAAG-not-a-token-of-that-number")
    assert bind(api, secrets, verify=False).status_code == 201
    assert accounts.tenant_of_phone_number(meta.phone_number_id) is None
    assert accounts.tenants_of_waba(meta.waba_id) == []


def test_of_two_tenants_the_first_to_bind_a_number_gets_its_messages(
    api: Api, meta: GraphServer, no_deployment: None
) -> None:
    """Also once it has a newer version of its credential. The templates of the account are both tenants'."""
    second = another_tenant()
    first_bound = bind(api, credentials(meta)).json()["id"]
    bind(second, credentials(meta))
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == api.tenant
    rotated = api.post(f"/credentials/{first_bound}/rotate", {"credentials": credentials(meta)})
    assert rotated.status_code == 201
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == api.tenant
    assert accounts.tenants_of_waba(meta.waba_id) == sorted([api.tenant, second.tenant])
    api.delete(f"/credentials/{rotated.json()['id']}")
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == second.tenant


def test_the_number_of_the_version_in_use_counts(api: Api, meta: GraphServer, no_deployment: None) -> None:
    """A rotation to another number moves the webhooks with it, and a roll-back brings them home."""
    meta.other_numbers = [OTHER]
    credential = bind(api, credentials(meta)).json()["id"]
    moved = api.post(f"/credentials/{credential}/rotate", {"credentials": credentials(meta, phone_number_id=OTHER)})
    assert moved.status_code == 201
    assert accounts.tenant_of_phone_number(OTHER) == api.tenant
    assert accounts.tenant_of_phone_number(meta.phone_number_id) is None
    assert api.post(f"/credentials/{credential}/rollback").status_code == 200
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == api.tenant
    assert accounts.tenant_of_phone_number(OTHER) is None


def test_a_rotation_that_meta_refuses_moves_nothing(api: Api, meta: GraphServer, no_deployment: None) -> None:
    credential = bind(api, credentials(meta)).json()["id"]
    refused = api.post(f"/credentials/{credential}/rotate", {"credentials": credentials(meta, phone_number_id=OTHER)})
    assert refused.status_code == 400
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == api.tenant
    assert accounts.tenant_of_phone_number(OTHER) is None


def test_the_deployments_number_is_the_platform_tenants(meta: GraphServer, settings: Any, tenant: UUID) -> None:
    settings.PLATFORM_TENANT_ID = ""
    assert accounts.tenant_of_phone_number(meta.phone_number_id) is None
    settings.PLATFORM_TENANT_ID = str(tenant)
    assert accounts.tenant_of_phone_number(meta.phone_number_id) == tenant
    assert accounts.tenants_of_waba(meta.waba_id) == [tenant]
    assert accounts.tenant_of_phone_number("") is None
    assert accounts.tenants_of_waba("") == []


def test_the_row_of_a_number_holds_no_secret(api: Api, meta: GraphServer) -> None:
    bind(api, credentials(meta))
    [row] = BusinessNumber.objects.using("system").values()
    assert set(row) == {"tenant_id", "credential_id", "phone_number_id", "waba_id", "proven_at"}


def test_a_tenant_sees_no_numbers_of_others(api: Api, meta: GraphServer) -> None:
    bind(api, credentials(meta))
    assert not BusinessNumber.objects.exists()


def test_an_installed_number_is_tested_by_one_call(api: Api, meta: GraphServer) -> None:
    numbers.install(api)
    bind(api, credentials(meta))
    assert api.post("/providers/meta_whatsapp/test").json()["ok"] is True
    meta.fail(190, 401)
    assert api.post("/providers/meta_whatsapp/test").json()["ok"] is False
