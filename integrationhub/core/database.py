"""Which of the three database roles serves which model, and what the database refused."""

from typing import Any, LiteralString

import psycopg
from django.db import IntegrityError
from django.db.models import Model

# Tables of Django and celery-beat that only operators and schedules touch: the tenants' role has no right to them.
SYSTEM_APPS = frozenset({"admin", "auth", "contenttypes", "sessions", "django_celery_beat"})
# What both roles may do with the rows of a table whose model declares no fewer `rights`.
USUAL_RIGHTS: LiteralString = "SELECT, INSERT, UPDATE, DELETE"


class RoleRouter:
    """`default` is the tenants' role, `system` serves operators and schedules, `owner` alone migrates."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return "system" if model._meta.app_label in SYSTEM_APPS else None

    db_for_write = db_for_read

    def allow_relation(self, first: Model, second: Model, **hints: Any) -> bool:
        return True  # All three are roles of one database.

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "owner"


def violates(error: IntegrityError, constraint: str) -> bool:
    """Whether it is this very constraint that refused a row; another one is a fault of ours, and not the caller's."""
    cause = error.__cause__
    return isinstance(cause, psycopg.IntegrityError) and cause.diag.constraint_name == constraint
