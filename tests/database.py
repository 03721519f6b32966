"""What a test takes from the database for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from integrationhub.core import provisioning

LOCK_TIMEOUT = "2s"  # As in production.


@contextmanager
def refused_by_the_database(right: str, alias: str = "default") -> Iterator[None]:
    """This role, the tenants' unless told otherwise, may not do this for a while: `INSERT ON outbox_event`."""
    role = settings.DATABASES[alias]["USER"]
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'REVOKE {right} FROM "{role}"')
        try:
            yield
        finally:
            cursor.execute(f'GRANT {right} TO "{role}"')


@contextmanager
def locks_given_up_on() -> Iterator[None]:
    """Whoever waits for a lock gives up as soon as in production; elsewhere the tests' patience is longer."""
    usual = provisioning.LOCK_TIMEOUT
    _limit_waits(LOCK_TIMEOUT)
    try:
        yield
    finally:
        _limit_waits(usual)


def _limit_waits(limit: str) -> None:
    """Of both roles, in connections that are made from now on."""
    with connections["owner"].cursor() as cursor:
        for alias in ("default", "system"):
            cursor.execute(f'ALTER ROLE "{settings.DATABASES[alias]["USER"]}" SET lock_timeout = %s', [limit])
            connections[alias].close()
            connections[alias].close_pool()


@contextmanager
def locked(table: str, key: object) -> Iterator[CursorWrapper]:
    """The owner holds a row; the cursor's transaction ends with the block."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(f"SELECT FROM {table} WHERE id = %s FOR UPDATE", [key])
        yield cursor


def waiting(cursor: CursorWrapper) -> int:
    """How many sessions of this database wait for a lock."""
    # A transaction would go on seeing the sessions of its first look.
    cursor.execute("SELECT pg_stat_clear_snapshot()")
    cursor.execute(
        """SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
           WHERE NOT granted AND datname = current_database()"""
    )
    return int(cursor.fetchone()[0])
