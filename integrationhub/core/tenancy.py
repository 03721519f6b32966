"""Two walls between tenants: a word in the query (`for_tenant`), and row-level security (`tenant_scope`)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, LiteralString, Self
from uuid import UUID

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction

from integrationhub.core.database import USUAL_RIGHTS
from integrationhub.core.postgresql import calls


@contextmanager
def tenant_scope(tenant_id: UUID) -> Iterator[None]:
    """A short transaction in which PostgreSQL shows and takes the rows of this tenant only.

    Keep network calls out of it. A scope inside a scope of the same tenant is part of it; one inside the scope of
    another tenant is a bug of ours and raises RuntimeError before a statement runs.
    """
    if _is_inside_scope_of(tenant_id):
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
        connection.hub_tenant_id = tenant_id  # type: ignore[attr-defined]
        try:
            yield
        finally:
            connection.hub_tenant_id = None  # type: ignore[attr-defined]


def run_in_scope(tenant_id: UUID, *statements: str, **parameters: Any) -> list[list[tuple[Any, ...]]]:
    """The rows of each statement, all of them run in one round trip and one transaction of this tenant.

    It is `tenant_scope` for the moments of a request that must cost little: what stands in one pipeline is one
    transaction, and the server keeps the plans of prepared statements.
    https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html
    The named `parameters` (and `tenant_id`) are shared by the statements.
    """
    _is_inside_scope_of(tenant_id)
    values = {**parameters, "tenant_id": tenant_id}
    with _lent() as server:
        with server.pipeline():
            cursors = [psycopg.Cursor(server).execute(sql, values, prepare=True) for sql in (_SET_TENANT, *statements)]
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors[1:]]


def call_in_scope(tenant_id: UUID, function: str, order: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of one of our database functions, which takes the tenant and `order` as JSON, and begins by opening
    the tenant's scope: one statement, one round trip, one transaction."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    _is_inside_scope_of(tenant_id, database)
    with database.wrap_database_errors:
        if database.connection is not None:
            return calls.call(database.connection, function, tenant_id, order)
        server = _borrowed(database)
        try:
            return calls.call(server, function, tenant_id, order)
        finally:
            database.pool.putconn(server)


def let_go_of_connection(using: str = DEFAULT_DB_ALIAS) -> None:
    """Give this thread's connection back to the pool, before something that takes long. Not inside a scope."""
    database = connections[using]
    if database.connection is not None and not database.in_atomic_block:
        database.close()


@contextmanager
def _lent() -> Iterator[psycopg.Connection[Any]]:
    """A connection for one trip: the thread's, where it has one, else one of the pool, given back at once.

    Raises Django's database errors.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    with database.wrap_database_errors:
        if database.connection is not None:
            yield database.connection
            return
        server = _borrowed(database)
        try:
            yield server
        finally:
            database.pool.putconn(server)


def _borrowed(database: Any) -> psycopg.Connection[Any]:
    """A connection of the pool, which is opened at its first use."""
    if database.pool.closed:
        database.pool.open()
    return database.pool.getconn()


_SET_TENANT = "SELECT set_config('app.tenant_id', %(tenant_id)s::text, true)"


def _is_inside_scope_of(tenant_id: UUID, database: Any = None) -> bool:
    """Raises RuntimeError inside the scope of another tenant."""
    database = database or connections[DEFAULT_DB_ALIAS]
    outer = getattr(database, "hub_tenant_id", None) if database.in_atomic_block else None
    if outer is not None and outer != tenant_id:
        raise RuntimeError("A tenant's scope was opened inside the scope of another tenant.")
    return outer is not None


class TenantQuerySet(models.QuerySet):
    def for_tenant(self, tenant_id: UUID) -> Self:
        """Rows of one tenant. Another tenant's row is simply not there."""
        return self.filter(tenant_id=tenant_id)


class TenantOwned(models.Model):
    """A row that belongs to one tenant. Its migration ends with `row_security.TenantTable(name)`.

    `rights` is what the application's role and the system role are granted (`provisioning`).
    """

    rights: ClassVar[LiteralString] = USUAL_RIGHTS

    tenant_id = models.UUIDField(editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True
