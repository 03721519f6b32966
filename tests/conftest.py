"""Real roles, real commits: a test's rows are deleted after it, nothing is rolled back and nothing is mocked."""

from collections.abc import Callable, Iterator
from io import StringIO
from itertools import permutations
from uuid import UUID, uuid4

import psycopg
import pytest
import redis
import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.test import Client

from integrationhub.core import provisioning
from integrationhub.execution import circuits
from tests import loopback
from tests.make import Api

PATIENCE_SECONDS = 10.0
# What belongs to no test: the schema's own records.
KEPT_TABLES = {"django_migrations", "django_content_type", "auth_permission"}


@pytest.fixture(scope="session", autouse=True)
def network() -> Iterator[None]:
    with loopback.only():
        yield


@pytest.fixture(scope="session", autouse=True)
def database(django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A database of this worker's own, made by the owner as an installation would make it."""
    # No test is about the cost of guessing a password.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # A test client makes its own handler: it need not read all static files first, and finds one when asked for it.
    settings.WHITENOISE_AUTOREFRESH = True
    # The product's patience is short, and a busy machine stops a server for longer: who tests it sets it for himself.
    settings.REDIS_TIMEOUT_SECONDS = PATIENCE_SECONDS
    for alias in ("default", "system"):
        settings.DATABASES[alias]["OPTIONS"]["pool"]["timeout"] = PATIENCE_SECONDS
    provisioning.LOCK_TIMEOUT = f"{PATIENCE_SECONDS:.0f}s"
    provisioning.STATEMENT_TIMEOUTS["default"] = f"{2 * PATIENCE_SECONDS:.0f}s"
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        _drop_database()
        provisioning.provision()
        call_command("seed", stdout=StringIO())
        yield
        for connection in connections.all(initialized_only=True):
            connection.close()
            connection.close_pool()
        _drop_database()


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """The `database` fixture above stands in for pytest-django's own."""


def _drop_database() -> None:
    owner = settings.DATABASES["owner"]
    parameters = provisioning._parameters("owner", dbname="postgres")
    with psycopg.connect(**parameters, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{owner["NAME"]}" WITH (FORCE)')
        for alias in ("default", "system"):
            connection.execute(f'DROP ROLE IF EXISTS "{settings.DATABASES[alias]["USER"]}"')


@pytest.fixture(scope="session")
def wipe(database: None) -> Iterator[Callable[[], None]]:
    """Brings every table back to what `seed` wrote, and touches none that is still so.

    A function of the database's, on a connection of its own that looks at no trigger and no foreign key: what is to be
    done is planned once for all tests.
    """
    with psycopg.connect(**provisioning._parameters("owner"), autocommit=True) as connection:
        tables = connection.execute("""SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
                                       AND relkind IN ('r', 'p') AND NOT relispartition""").fetchall()
        connection.execute("CREATE SCHEMA seed")
        steps = [_step(connection, name) for (name,) in tables if name not in KEPT_TABLES]
        body = "\n".join(steps)
        connection.execute(f"CREATE FUNCTION seed.wipe() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
        connection.execute("SET session_replication_role = replica")
        yield lambda: connection.execute("SELECT seed.wipe()") and None


def _step(connection: psycopg.Connection, table: str) -> str:
    seeded = connection.execute(f"CREATE TABLE seed.{table} AS TABLE {table}").rowcount
    if not seeded:
        return f"IF EXISTS (SELECT FROM {table}) THEN DELETE FROM {table}; END IF;"
    more, fewer = (f"(TABLE {one} EXCEPT ALL TABLE {other})" for one, other in permutations((table, f"seed.{table}")))
    return f"""
        IF EXISTS ({more} UNION ALL {fewer}) THEN
            DELETE FROM {table};
            INSERT INTO {table} TABLE seed.{table};
        END IF;"""


@pytest.fixture(autouse=True)
def clean(wipe: Callable[[], None]) -> Iterator[None]:
    """Nothing of a test is left for the next one."""
    yield
    structlog.contextvars.clear_contextvars()
    wipe()


@pytest.fixture(autouse=True)
def circuits_are_closed() -> Iterator[None]:
    """A provider that one test has broken works again in the next, and a number may be written to."""
    yield
    circuits.forget()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in (*client.scan_iter("hub:circuit:*"), *client.scan_iter("hub:whatsapp:*")):
            client.delete(key)


@pytest.fixture
def tenant() -> UUID:
    return uuid4()


@pytest.fixture
def api(tenant: UUID) -> Api:
    """A client of the HTTP API: an admin of `tenant`, unless told otherwise."""
    return Api(tenant)


@pytest.fixture
def operator() -> Client:
    """A browser in which an operator is signed in to the admin."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="operators-password"))
    return client
