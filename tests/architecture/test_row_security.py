"""The second wall: PostgreSQL keeps tenants apart even where a query forgets to."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection, connections

from integrationhub.core.tenancy import TenantOwned, tenant_scope
from integrationhub.execution.models import Attempt, Route

OWNED = [model for model in apps.get_models() if issubclass(model, TenantOwned)]
TABLES = sorted(model._meta.db_table for model in OWNED)


def test_there_are_tenant_owned_tables() -> None:
    assert len(TABLES) >= 8


def test_every_table_with_a_tenant_column_is_tenant_owned() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("""SELECT DISTINCT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                          WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                          AND c.relnamespace = 'public'::regnamespace""")
        assert sorted(name for (name,) in cursor.fetchall()) == TABLES


@pytest.mark.parametrize("table", TABLES)
def test_the_policy_is_there_and_binds_the_owner_too(table: str) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = %s", [table])
        assert cursor.fetchone() == (True, True)
        cursor.execute("SELECT polname FROM pg_policy WHERE polrelid = %s::regclass", [table])
        assert cursor.fetchall() == [("tenant_isolation",)]


@pytest.mark.parametrize("table", TABLES)
def test_without_a_scope_there_are_no_rows(table: str) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone() == (0,)


@pytest.fixture
def theirs() -> UUID:
    """Another tenant, that owns a route."""
    stranger = uuid4()
    with tenant_scope(stranger):
        Route.objects.create(tenant_id=stranger, intent="message.send.sms", providers=[])
    return stranger


def test_a_query_that_forgets_the_tenant_sees_only_the_scopes_own(theirs: UUID) -> None:
    with tenant_scope(theirs), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM execution_route")
        assert cursor.fetchone() == (1,)
    with tenant_scope(uuid4()), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM execution_route")
        assert cursor.fetchone() == (0,)
        cursor.execute("UPDATE execution_route SET intent = 'taken'")
        assert cursor.rowcount == 0
        cursor.execute("DELETE FROM execution_route")
        assert cursor.rowcount == 0


def test_a_row_cannot_be_written_for_another_tenant(theirs: UUID) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), tenant_scope(uuid4()):
        Route.objects.create(tenant_id=theirs, intent="message.send.email", providers=[])


def test_a_scope_ends_with_its_transaction() -> None:
    with tenant_scope(uuid4()):
        pass
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('app.tenant_id', true)")
        assert cursor.fetchone()[0] in (None, "")


def test_a_scope_inside_another_tenants_scope_is_a_bug_that_shows() -> None:
    with tenant_scope(uuid4()), pytest.raises(RuntimeError, match="another tenant"), tenant_scope(uuid4()):
        pass


def test_the_tenants_role_can_do_no_more_than_rows() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False, False)
        for refused in (
            "SELECT * FROM auth_user",
            "CREATE TABLE mine (id int)",
            "ALTER TABLE execution_route DISABLE ROW LEVEL SECURITY",
            "SELECT * FROM execution_execution_default",
            "TRUNCATE execution_route",
        ):
            with pytest.raises(ProgrammingError):
                cursor.execute(refused)


def test_executions_and_attempts_are_split_by_month() -> None:
    with connections["owner"].cursor() as cursor:
        for table in ("execution_execution", "execution_attempt"):
            cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", [table])
            assert cursor.fetchone()[0] >= 5, "The default partition, this month, and three ahead."


def test_a_row_of_today_lies_in_this_months_partition(tenant: UUID) -> None:
    with tenant_scope(tenant):
        Attempt.objects.create(tenant_id=tenant, execution_id=uuid4(), sequence=1, provider_key="x", outcome="started")
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT DISTINCT tableoid::regclass::text FROM execution_attempt")
        assert cursor.fetchall() == [(f"execution_attempt_{datetime.now(UTC):%Y_%m}",)]
