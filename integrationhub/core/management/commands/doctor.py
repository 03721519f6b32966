"""`manage.py doctor`: what is missing or wrong in this environment, each with its fix."""

import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import ERROR, Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand
from django.db import Error as DatabaseError
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from integrationhub.core.checks import role_faults

ROLE_SETTINGS = {"default": "DATABASE_URL", "system": "DATABASE_SYSTEM_URL", "owner": "DATABASE_OWNER_URL"}
CONNECT_SECONDS = 3
NOT_ASKED = "The database could not be asked: mend what stands above first."


class Command(BaseCommand):
    help = "Names each missing or wrong setting with its fix; exits non-zero if there is any."
    # They are among what this command reports.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        for alias in ROLE_SETTINGS:
            # A pool would try again and again, and hide the server's own words.
            connections[alias].settings_dict["OPTIONS"] = {"connect_timeout": CONNECT_SECONDS}
        verdicts = [self._tell(name, list(examine())) for name, examine in EXAMINATIONS.items()]
        if not all(verdicts):
            sys.exit(1)

    def _tell(self, name: str, faults: list[str]) -> bool:
        self.stdout.write(f"{'✗' if faults else '✓'} {name}")
        for fault in faults:
            self.stdout.write(f"    {fault}")
        return not faults


def setting_faults() -> Iterator[str]:
    """What every app's own checks say, those apart that ask the database."""
    try:
        yield from _errors(run_checks())
    except ImproperlyConfigured as error:
        yield f"{error} Set it, and run this again for what else there may be."


def database_faults() -> Iterator[str]:
    """Whether each of the three roles can log in."""
    for alias, setting in ROLE_SETTINGS.items():
        place = connections[alias].settings_dict
        try:
            connections[alias].ensure_connection()
        except DatabaseError as error:
            where = f"{place['HOST']}:{place['PORT'] or 5432}/{place['NAME']} as {place['USER']}"
            reason = str(error).strip().splitlines()[0]
            yield (
                f"{setting}: no connection to {where} ({reason}): start the server, or mend the URL; "
                "`manage.py prepare_database` makes the database and its roles."
            )


def right_faults() -> Iterator[str]:
    """Whether the walls between tenants bind the application, and the system's role can look over them."""
    try:
        with connections["system"].cursor() as cursor:
            cursor.execute("SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user")
            (sees_all,) = cursor.fetchone()
        connections["default"].ensure_connection()
    except DatabaseError:
        yield NOT_ASKED
        return
    yield from role_faults()
    if not sees_all:
        yield "DATABASE_SYSTEM_URL names a role without BYPASSRLS: run `manage.py prepare_database` as a superuser."


def migration_faults() -> Iterator[str]:
    try:
        executor = MigrationExecutor(connections["system"])
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        yield NOT_ASKED
        return
    if missing:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in missing[:5])
        yield f"{len(missing)} migrations are not applied ({names}...): run `manage.py prepare_database`."


def key_faults() -> Iterator[str]:
    """Whether the vault serves us, and every key is still there that a stored secret names."""
    try:
        yield from _errors(run_checks(tags=[Tags.database], databases=["system"]))
    except DatabaseError:
        yield NOT_ASKED


def redis_faults() -> Iterator[str]:
    for setting in ("REDIS_URL", "CELERY_BROKER_URL"):
        url = getattr(settings, setting)
        parts = urlsplit(url)
        try:
            Redis.from_url(url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS).ping()
        except AuthenticationError:
            yield f"{setting}: {parts.hostname}:{parts.port} refuses the password: mend it in the URL."
        except (RedisError, ValueError) as error:
            where = f"{parts.hostname}:{parts.port}"
            yield f"{setting}: no answer from {where} ({type(error).__name__}): start the server, or mend the URL."


EXAMINATIONS: dict[str, Callable[[], Iterator[str]]] = {
    "settings": setting_faults,
    "database": database_faults,
    "database roles": right_faults,
    "migrations": migration_faults,
    "vault and its keys": key_faults,
    "Redis and broker": redis_faults,
}


def _errors(messages: list[Any]) -> Iterator[str]:
    for message in messages:
        if message.level >= ERROR:
            yield f"{message.msg} {message.hint or ''}".strip()
