"""What a test takes from the database for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connections


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
