"""The second wall: PostgreSQL keeps tenants apart even where a query forgets to."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection, connections

from credentials.models import Credential
from integrationhub.core.tenancy import TenantOwned, tenant_scope
from integrationhub.execution.models import Attempt
from marketplace.models import Integration

OWNED = {model._meta.db_table: model for model in apps.get_models() if issubclass(model, TenantOwned)}
TABLES = sorted(OWNED)
# What a row of each table needs beside its tenant.
ROWS: dict[str, dict[str, Any]] = {
    "audit_entry": {"action": "thing.changed", "actor": "tester"},
    "credentials_credential": {"provider_key": "x", "fingerprint": "f", "version": 1, "verified": "unknown"},
    "credentials_leftover": {"due_at": datetime(2099, 1, 1, tzinfo=UTC)},
    "credentials_tenantkey": {"wrapped": b"key", "kek_id": "k1", "first_kek_id": "k1"},
    "execution_attempt": {"execution_id": UUID(int=1), "sequence": 1, "provider_key": "x", "outcome": "started"},
    "execution_delivery": {
        "execution_id": UUID(int=1),
        "provider_key": "x",
        "reference": "r",
    },
    "execution_execution": {"category": "messaging", "intent": "x", "mode": "sync", "status": "running"},
    "execution_route": {"intent": "message.send.sms", "providers": []},
    "idempotency_storedanswer": {"path": "/execute", "key": "k", "fingerprint": b"f"},
    "marketplace_installation": {},
    "marketplace_subscription": {"tier_id": "free"},
    "marketplace_usage": {"period": "2026-11-01", "used": 1},
    "oauth_flow": {
        "digest": b"d",
        "provider": "x",
        "subject": "s",
        "expires_at": datetime(2099, 1, 1, tzinfo=UTC),
    },
    "oauth_connection": {"provider": "x", "subject": "s"},
    "oauth_connectsession": {"digest": b"d", "subject": "s", "expires_at": datetime(2099, 1, 1, tzinfo=UTC)},
    "outbox_event": {"kind": "thing.happened"},
    "outbox_outboxmessage": {"task": "t", "queue": "maint", "arguments": {}},
    "telling_delivery": {
        "subscription_id": UUID(int=1),
        "event_id": UUID(int=2),
        "type": "thing.happened",
        "key": "k",
        "occurred_at": datetime(2026, 1, 1, tzinfo=UTC),
    },
    "telling_subscription": {"url": "https://t.example", "event_types": ["*"], "sealed": b"sealed"},
    "storage_sharedpin": {"cid": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"},
    "templates_messagetemplate": {"waba_id": "w", "meta_id": "1", "name": "n", "language": "en", "status": "APPROVED"},
    "templates_syncrun": {},
    "totp_enrolment": {"account": "ada", "sealed": b"sealed"},
    "webhooks_endpoint": {"provider_key": "x", "digest": b"d"},
    "webhooks_post": {"provider_key": "x", "digest": b"d", "body": b"b", "secret": "current"},
    "webhooks_refusedpost": {"provider_key": "x", "reason": "r", "explanation": "e", "body": b"b", "size": 1},
    "webhooks_webhookevent": {
        "provider_key": "x",
        "type": "message",
        "key": b"k",
        "payload": "{}",
        "post_id": UUID(int=1),
        "received_at": datetime(2026, 1, 1, tzinfo=UTC),
    },
    "saml_identityprovider": {"entity_id": "i", "sso_url": "https://i.example", "certificates": []},
    "saml_signinrequest": {"expires_at": datetime(2099, 1, 1, tzinfo=UTC)},
    "saml_usedassertion": {"digest": "d", "expires_at": datetime(2099, 1, 1, tzinfo=UTC)},
    "whatsapp_businessnumber": {"phone_number_id": "1", "waba_id": "2"},
    "whatsapp_conversation": {"customer": "1", "last_message_at": datetime(2026, 1, 1, tzinfo=UTC)},
    "whatsapp_delivery": {"type": "text"},
    "whatsapp_medium": {"media_id": "1"},
}


# Nobody changes their rows (tests/audit/test_append_only.py); a head is made by its first entry.
APPEND_ONLY = {"audit_entry", "audit_head"}
changeable = pytest.mark.parametrize("table", sorted(set(TABLES) - APPEND_ONLY))


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def theirs(table: str) -> UUID:
    """Another tenant, that owns a row of the table."""
    stranger = uuid4()
    give_row(stranger, table)
    return stranger


def give_row(tenant: UUID, table: str) -> None:
    with tenant_scope(tenant):
        write_row(tenant, table)


def write_row(tenant: UUID, table: str) -> None:
    """In whatever scope there is."""
    table = "audit_entry" if table == "audit_head" else table
    OWNED[table].objects.create(tenant_id=tenant, **ROWS[table], **parents(tenant, table))


def parents(tenant: UUID, table: str) -> dict[str, Any]:
    """Rows that one of the table refers to, committed."""
    if table == "marketplace_installation":
        return {"integration": Integration.objects.first()}
    if table == "whatsapp_businessnumber":
        values = {**ROWS["credentials_credential"], "provider_key": uuid4().hex}
        return {"credential_id": Credential.objects.using("system").create(tenant_id=tenant, **values).id}
    return {}


def tenants_seen(table: str) -> set[UUID]:
    """Whose rows a query sees that names no tenant."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tenant_id FROM {table}")
        return {tenant for (tenant,) in cursor.fetchall()}


def test_there_are_tenant_owned_tables() -> None:
    assert len(TABLES) >= 8


def test_every_table_with_a_tenant_column_is_tenant_owned() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("""SELECT DISTINCT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                          WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                          AND c.relnamespace = 'public'::regnamespace""")
        assert sorted(name for (name,) in cursor.fetchall()) == TABLES


def test_the_policy_is_there_and_binds_the_owner_too(table: str) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", [table])
        assert cursor.fetchone() == (True, True)
        cursor.execute("SELECT polname FROM pg_policy WHERE polrelid = %s::regclass", [table])
        assert cursor.fetchall() == [("tenant_isolation",)]


def test_a_tenant_sees_its_own_rows_and_without_a_tenant_there_are_none(tenant: UUID, theirs: UUID, table: str) -> None:
    give_row(tenant, table)
    assert tenants_seen(table) == set()
    for each in (tenant, theirs):
        with tenant_scope(each):
            assert tenants_seen(table) == {each}


@changeable
def test_another_tenants_rows_cannot_be_changed_or_removed(tenant: UUID, theirs: UUID, table: str) -> None:
    with tenant_scope(tenant), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET tenant_id = %s", [tenant])
        assert cursor.rowcount == 0
        cursor.execute(f"DELETE FROM {table} WHERE tenant_id = %s", [theirs])
        assert cursor.rowcount == 0


@changeable
def test_a_row_cannot_be_given_to_another_tenant(tenant: UUID, table: str) -> None:
    give_row(tenant, table)
    with pytest.raises(ProgrammingError, match="row-level security"), tenant_scope(tenant):
        connection.cursor().execute(f"UPDATE {table} SET tenant_id = %s", [uuid4()])


def test_a_row_cannot_be_written_for_another_tenant(table: str) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), tenant_scope(uuid4()):
        write_row(uuid4(), table)


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
