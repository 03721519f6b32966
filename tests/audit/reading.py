"""What the trail says, and who may do what to it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from typing import Any
from uuid import UUID

from django.core.management import CommandError, call_command
from django.db import connections

from integrationhub.audit.models import Entry
from tests.database import refused_by_the_database


def trail_of(tenant: UUID, *actions: str) -> list[Entry]:
    """A tenant's entries in their order; of these actions only, where some are named."""
    entries = Entry.objects.using("system").for_tenant(tenant).order_by("sequence")
    return list(entries.filter(action__in=actions) if actions else entries)


def said(tenant: UUID) -> list[tuple[str, str]]:
    return [(entry.action, entry.actor) for entry in trail_of(tenant)]


def verify(*arguments: str) -> tuple[bool, str]:
    """Whether `verify_audit` is content, and all that it prints."""
    out = StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=out, stderr=out)
    except CommandError as error:
        return False, f"{out.getvalue()}{error}"
    return True, out.getvalue()


@contextmanager
def tampering() -> Iterator[Any]:
    """A cursor of the owner, who has disabled the triggers."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield cursor
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


def refusing_entries(role: str = "default") -> AbstractContextManager[None]:
    """This role may write no entry for a while."""
    return refused_by_the_database("INSERT ON audit_entry", role)


def at_once(what: Callable[[int], Any], count: int) -> list[Any]:
    def run(number: int) -> Any:
        try:
            return what(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
