"""The two walls between tenants, each of which can be taken away, to see that the other one holds alone."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.conf import settings
from django.db import connection, connections

from integrationhub.core.tenancy import TenantQuerySet

ROW_SECURITY, QUERIES = "row security", "queries"


@contextmanager
def without(*walls: str) -> Iterator[None]:
    """The hub with these walls taken away."""
    with ExitStack() as stack:
        if ROW_SECURITY in walls:
            stack.enter_context(_row_security_passed_by())
        if QUERIES in walls:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr(TenantQuerySet, "for_tenant", lambda rows, tenant_id: rows.all())
        yield


@contextmanager
def _row_security_passed_by() -> Iterator[None]:
    role = settings.DATABASES["default"]["USER"]
    _alter(role, "BYPASSRLS")
    try:
        yield
    finally:
        _alter(role, "NOBYPASSRLS")


def _alter(role: str, right: str) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'ALTER ROLE "{role}" {right}')
    # Plans that were made under the old right end with their connections.
    connection.close()
    connection.close_pool()
