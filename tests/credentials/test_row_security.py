"""PostgreSQL itself keeps tenants apart: these statements name no tenant."""

from uuid import UUID, uuid4

import pytest
from django.db import ProgrammingError, connection
from psycopg import sql

from credentials import binding
from integrationhub.core.tenancy import tenant_scope

TABLES = ["credentials_credential", "credentials_tenantkey"]
SECRETS = {"account": "AC1", "auth_token": "a-long-auth-token-1234"}


def tenants_seen(table: str) -> set[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT tenant_id FROM {}").format(sql.Identifier(table)))
        return {tenant for (tenant,) in cursor.fetchall()}


@pytest.fixture(autouse=True)
def two_tenants(tenant: UUID) -> UUID:
    other = uuid4()
    for each in (tenant, other):
        binding.bind(tenant_id=each, provider_key="parcel_sms", secrets=SECRETS)
    return other


@pytest.mark.parametrize("table", TABLES)
def test_a_tenant_sees_its_own_rows_and_without_a_tenant_there_are_none(tenant: UUID, table: str) -> None:
    assert tenants_seen(table) == set()
    with tenant_scope(tenant):
        assert tenants_seen(table) == {tenant}


@pytest.mark.parametrize("table", TABLES)
def test_another_tenants_rows_cannot_be_changed_or_removed(tenant: UUID, two_tenants: UUID, table: str) -> None:
    with tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute(sql.SQL("DELETE FROM {} WHERE tenant_id = %s").format(sql.Identifier(table)), [two_tenants])
        assert cursor.rowcount == 0
    give_away = sql.SQL("UPDATE {} SET tenant_id = %s").format(sql.Identifier(table))
    with pytest.raises(ProgrammingError, match="row-level security"), tenant_scope(tenant):
        connection.cursor().execute(give_away, [two_tenants])
