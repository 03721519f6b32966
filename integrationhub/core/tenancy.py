"""Two walls between tenants: a word in the query (`for_tenant`), and row-level security (`tenant_scope`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self
from uuid import UUID

from django.db import connection, models, transaction


@contextmanager
def tenant_scope(tenant_id: UUID) -> Iterator[None]:
    """A short transaction in which PostgreSQL shows and takes the rows of this tenant only.

    Keep network calls out of it. A scope inside a scope of the same tenant is part of it; one inside the scope of
    another tenant is a bug of ours and raises RuntimeError before a statement runs.
    """
    outer = getattr(connection, "hub_tenant_id", None) if connection.in_atomic_block else None
    if outer == tenant_id:
        yield
        return
    if outer is not None:
        raise RuntimeError("A tenant's scope was opened inside the scope of another tenant.")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
        connection.hub_tenant_id = tenant_id  # type: ignore[attr-defined]
        try:
            yield
        finally:
            connection.hub_tenant_id = None  # type: ignore[attr-defined]


class TenantQuerySet(models.QuerySet):
    def for_tenant(self, tenant_id: UUID) -> Self:
        """Rows of one tenant. Another tenant's row is simply not there."""
        return self.filter(tenant_id=tenant_id)


class TenantOwned(models.Model):
    """A row that belongs to one tenant. Its migration ends with `row_security.TenantTable(name)`."""

    tenant_id = models.UUIDField(editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True
