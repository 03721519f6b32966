"""A database made ready for the hub: itself, the two roles beside the owner, the schema, and who may touch what."""

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from integrationhub.core.database import SYSTEM_APPS, USUAL_RIGHTS

# Any number will do; it only keeps two installers of one server from making the same role at the same moment.
INSTALLER_LOCK = 5_408_011
STATEMENT_TIMEOUTS = {"default": "5s", "system": "30s"}
LOCK_TIMEOUT = "2s"


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    password: str
    bypasses_row_security: bool
    statement_timeout: str


def provision() -> None:
    """Make the database, the roles and the schema as `settings.DATABASES` names them. Safe to run again.

    The owner makes the roles when it may (a superuser); otherwise they must exist already. Raises
    `psycopg.Error` with PostgreSQL's own words when the owner cannot connect or lacks a right.
    """
    owner = connections["owner"].settings_dict
    app, system = _role("default", bypasses=False), _role("system", bypasses=True)
    _make_database(owner["NAME"])
    with psycopg.connect(**_parameters("owner"), autocommit=True) as connection:
        if connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,):
            for role in (app, system):
                _make_role(connection, role)
    call_command("migrate", database="owner", verbosity=0, interactive=False)
    with psycopg.connect(**_parameters("owner"), autocommit=True) as connection:
        _grant(connection, owner["NAME"], app.name, system.name)


def _parameters(alias: str, **over: str) -> dict[str, Any]:
    """All that a role's URL says of its connection, TLS and keepalives among it, in psycopg's words."""
    parameters: dict[str, Any] = connections[alias].get_connection_params()
    return parameters | over


def _role(alias: str, *, bypasses: bool) -> Role:
    database = connections[alias].settings_dict
    return Role(database["USER"], database["PASSWORD"], bypasses, STATEMENT_TIMEOUTS[alias])


def _make_database(name: str) -> None:
    try:
        psycopg.connect(**_parameters("owner")).close()
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            raise
        with psycopg.connect(**_parameters("owner", dbname="postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name))
            )


def _make_role(connection: psycopg.Connection, role: Role) -> None:
    """Time-outs live on the role, since PgBouncer refuses them at connect."""
    name = sql.Identifier(role.name)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [INSTALLER_LOCK])
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role.name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE {} PASSWORD {}").format(
                name, sql.SQL("BYPASSRLS" if role.bypasses_row_security else "NOBYPASSRLS"), sql.Literal(role.password)
            )
        )
        for setting, value in (
            ("statement_timeout", role.statement_timeout),
            ("lock_timeout", LOCK_TIMEOUT),
            ("idle_in_transaction_session_timeout", "10s"),
            ("timezone", "UTC"),
            # What is prepared finds its rows by key: one plan serves all values, and is made once for a connection.
            ("plan_cache_mode", "force_generic_plan"),
        ):
            connection.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(name, sql.SQL(setting), sql.Literal(value)))


def _grant(connection: psycopg.Connection, database: str, app: str, system: str) -> None:
    """Rows for both roles, definitions for neither; Django's and the schedules' own tables for the system role alone.

    A tenant's table gives no more than its model's `rights`. Partitions get no grants: they are reached through their
    parent, whose policy then holds.
    """
    tables = connection.execute(
        """SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
           WHERE n.nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition
             AND relname <> 'django_migrations'"""
    ).fetchall()
    operators_only = {
        model._meta.db_table
        for label in SYSTEM_APPS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    }
    names = [name for (name,) in tables]
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [INSTALLER_LOCK])
        for role, allowed in ((app, [n for n in names if n not in operators_only]), (system, names)):
            identifier = sql.Identifier(role)
            connection.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), identifier)
            )
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(identifier))
            connection.execute(sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(identifier))
            connection.execute(sql.SQL("GRANT SELECT ON django_migrations TO {}").format(identifier))
            for rights, granted in _by_rights(allowed).items():
                listed = sql.SQL(", ").join(map(sql.Identifier, granted))
                connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(listed, identifier))
                connection.execute(sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(rights), listed, identifier))
        connection.execute(
            sql.SQL("GRANT EXECUTE ON FUNCTION hub_make_partitions(regclass, integer) TO {}").format(
                sql.Identifier(system)
            )
        )


def _by_rights(tables: list[str]) -> dict[LiteralString, list[str]]:
    """The tables under what is granted on them."""
    declared = {model._meta.db_table: getattr(model, "rights", USUAL_RIGHTS) for model in apps.get_models()}
    grouped: dict[LiteralString, list[str]] = {}
    for table in tables:
        grouped.setdefault(declared.get(table, USUAL_RIGHTS), []).append(table)
    return grouped
