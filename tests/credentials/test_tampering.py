"""Six ways to move a sealed value by hand in the real database: none of them opens, with either vault."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from pytest_django import Settings

from credentials import binding
from credentials.errors import VaultUnreadable
from credentials.models import Credential, TenantKey
from credentials.vault import Context, fresh_vault, vault
from integrationhub.core.tenancy import tenant_scope
from tests.credentials.openbao import OpenBao, a_new_process

SECRETS = {"account": "AC1", "auth_token": "a-long-auth-token-1234"}
pytestmark = pytest.mark.xdist_group("openbao")


@pytest.fixture(params=["local", "vault"], autouse=True)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "vault":
        request.getfixturevalue("bao")
    return str(request.param)


def bound(tenant: UUID, provider_key: str = "parcel_sms") -> Credential:
    secrets = SECRETS if provider_key == "parcel_sms" else {"api_key": "another-long-key"}
    return binding.bind(tenant_id=tenant, provider_key=provider_key, secrets=secrets)


def sql(statement: str, *parameters: Any) -> None:
    """As somebody with the owner's rights would do it, past the application and past row-level security."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, parameters)


def assert_closed(tenant: UUID, provider_key: str = "parcel_sms") -> None:
    """In this process, which remembers keys and secrets, and in a new one."""
    for _ in range(2):
        with pytest.raises(VaultUnreadable):
            binding.opened(binding.in_use(tenant_id=tenant)[provider_key])
        a_new_process()


def read_once(credential: Credential) -> None:
    """So that whatever a process remembers of it is remembered."""
    assert binding.opened(credential)


def test_the_row(tenant: UUID) -> None:
    one, other = bound(tenant), bound(tenant, "quiet_sms")
    read_once(one)
    sql("UPDATE credentials_credential SET sealed = %s WHERE id = %s", one.sealed, other.id)
    assert_closed(tenant, "quiet_sms")


def test_the_row_under_the_others_id(tenant: UUID) -> None:
    credential = bound(tenant)
    read_once(credential)
    sql("UPDATE credentials_credential SET id = %s WHERE id = %s", uuid4(), credential.id)
    assert_closed(tenant)


@pytest.mark.parametrize("moved", [{"field": "another"}, {"table": "another"}])
def test_the_field_or_the_table(tenant: UUID, moved: dict[str, str]) -> None:
    """The column and the table are names of the code: moved is what is read under another one."""
    credential = bound(tenant)
    place = Context(tenant, "credentials_credential", credential.id, "sealed")
    assert b"auth_token" in vault().open(bytes(credential.sealed), place)
    for _ in range(2):
        with pytest.raises(VaultUnreadable):
            vault().open(bytes(credential.sealed), replace(place, **moved))
        a_new_process()


def test_the_version_of_the_credential(tenant: UUID) -> None:
    old, new = bound(tenant), bound(tenant)
    read_once(old)
    sql("UPDATE credentials_credential SET sealed = %s WHERE id = %s", old.sealed, new.id)
    assert_closed(tenant)


def test_the_version_of_the_format(tenant: UUID) -> None:
    credential = bound(tenant)
    read_once(credential)
    for other in (b"\x00", b"\x01", b"\x02", b"\x03"):
        if other != bytes(credential.sealed)[:1]:
            sealed = other + bytes(credential.sealed)[1:]
            sql("UPDATE credentials_credential SET sealed = %s WHERE id = %s", sealed, credential.id)
            assert_closed(tenant)


def test_the_tenant(tenant: UUID) -> None:
    theirs = bound(uuid4())
    read_once(theirs)
    sql("UPDATE credentials_credential SET tenant_id = %s WHERE id = %s", tenant, theirs.id)
    assert_closed(tenant)
    sql("UPDATE credentials_tenantkey SET tenant_id = %s WHERE tenant_id = %s", tenant, theirs.tenant_id)
    assert_closed(tenant)


def test_the_data_keys_id(tenant: UUID) -> None:
    """The value says that another key of the tenant's own, or of nobody, sealed it."""
    credential, other = bound(tenant), uuid4()
    read_once(credential)
    renamed = credential.sealed[:1] + other.bytes + credential.sealed[17:]
    sql("UPDATE credentials_credential SET sealed = %s WHERE id = %s", renamed, credential.id)
    assert_closed(tenant)
    sql("UPDATE credentials_tenantkey SET id = %s WHERE tenant_id = %s", other, tenant)
    assert_closed(tenant)


def test_the_key_encryption_keys_id(tenant: UUID, settings: Settings, backend: str, request: Any) -> None:
    credential = bound(tenant)
    read_once(credential)
    if backend == "vault":
        bao: OpenBao = request.getfixturevalue("bao")
        bao.root.secrets.transit.rotate_key("integration-hub")
        renamed = f"transit/integration-hub:v{bao.newest_version()}"
    else:
        same_key = settings.KEY_ENCRYPTION_KEYS[0].partition(":")[2]
        settings.KEY_ENCRYPTION_KEYS, renamed = [*settings.KEY_ENCRYPTION_KEYS, f"k2:{same_key}"], "k2"
    sql("UPDATE credentials_tenantkey SET kek_id = %s WHERE tenant_id = %s", renamed, tenant)
    a_new_process()
    assert_closed(tenant)


def test_a_wrapped_key_of_another_tenant(tenant: UUID) -> None:
    credential, theirs = bound(tenant), bound(uuid4())
    sql(
        """UPDATE credentials_tenantkey SET wrapped = theirs.wrapped FROM credentials_tenantkey theirs
           WHERE credentials_tenantkey.tenant_id = %s AND theirs.tenant_id = %s""",
        tenant,
        theirs.tenant_id,
    )
    a_new_process()
    with pytest.raises(VaultUnreadable):
        binding.opened(credential)
    with pytest.raises(VaultUnreadable):
        fresh_vault().keys.unwrap([TenantKey.objects.using("system").get(tenant_id=tenant)])


def test_nothing_was_wrong_to_begin_with(tenant: UUID) -> None:
    bound(tenant)
    a_new_process()
    with tenant_scope(tenant):
        assert Credential.objects.for_tenant(tenant).count() == 1
    assert binding.opened(binding.in_use(tenant_id=tenant)["parcel_sms"]) == SECRETS
