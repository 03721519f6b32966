"""SQL over all rows that hold sealed values, of all tenants: what is due, and changes to rows that are as they were.

Each function is one statement. It runs as the system's role, unless it is told otherwise.
"""

# Names of tables and columns are the models' own.
# ruff: noqa: S608

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections

from credentials.data_keys import Wrapped
from credentials.models import TenantKey
from credentials.sealed_field import Column, columns
from credentials.sealing import POINTER

BATCH_ROWS, BATCH_BYTES = 500, 16 * 1024 * 1024
# Format, key, and nonce or id of an entry: no two values begin with the same.
HEAD = 29

# Rows that another transaction holds are passed over: who waits in the middle of a batch may deadlock with that one.
_SWAP_WRAPS = """
WITH locked AS (SELECT id FROM credentials_tenantkey WHERE id = ANY(%(ids)s) FOR UPDATE SKIP LOCKED), done AS (
UPDATE credentials_tenantkey k SET wrapped = n.wrapped, kek_id = n.kek_id
FROM locked, unnest(%(ids)s::uuid[], %(wrapped)s::bytea[], %(kek_ids)s::text[], %(was)s::text[])
    AS n(id, wrapped, kek_id, was)
WHERE k.id = locked.id AND k.id = n.id AND k.kek_id = n.was RETURNING k.id)
SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM locked)
"""
_DUE = """
SELECT id, tenant_id, value, current_key FROM (
    SELECT v.id, v.tenant_id, v.{name} AS value, k.id AS current_key,
           sum(length(v.{name})) OVER (ORDER BY v.id) - length(v.{name}) AS bytes_before
    FROM {table} v JOIN credentials_tenantkey k ON k.tenant_id = v.tenant_id AND k.retired_at IS NULL
    WHERE v.id > %(last)s AND {rows} AND length(v.{name}) > 17
      AND substring(v.{name} from 2 for 16) <> uuid_send(k.id)
    ORDER BY v.id LIMIT %(most)s
) AS due WHERE bytes_before < %(bytes)s ORDER BY id
"""
_COUNT = """
SELECT count(*) FROM {table} v JOIN credentials_tenantkey k ON k.tenant_id = v.tenant_id AND k.retired_at IS NULL
WHERE {rows} AND length(v.{name}) > 17
  AND (k.first_kek_id <> %(current)s OR substring(v.{name} from 2 for 16) <> uuid_send(k.id))
"""
_SWAP = """
WITH locked AS (SELECT id FROM {table} WHERE id = ANY(%(ids)s) FOR UPDATE SKIP LOCKED), done AS (
UPDATE {table} v SET {name} = n.value {key_id}
FROM locked, unnest(%(ids)s::uuid[], %(values)s::bytea[], %(key_ids)s::text[], %(was)s::bytea[])
    AS n(id, value, key_id, was)
WHERE v.id = locked.id AND v.id = n.id AND substring(v.{name} from 1 for {head}) = n.was RETURNING v.id)
SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM locked)
"""
_IS_NAMED = "EXISTS (SELECT FROM ({named}) AS n WHERE n.key_id = uuid_send(k.id))"
_NAMED = "SELECT substring({name} from 2 for 16) AS key_id FROM {table} WHERE {rows} AND length({name}) > 17"
_ORPHANS = """
SELECT count(*) FROM {table} v WHERE {rows} AND length(v.{name}) > 17 AND NOT EXISTS (
    SELECT FROM credentials_tenantkey k
    WHERE k.tenant_id = v.tenant_id AND uuid_send(k.id) = substring(v.{name} from 2 for 16))
"""
_POINTERS = "SELECT count(*) FROM {table} WHERE {rows} AND substring({name} from 1 for 1) = %(pointer)s"


class Sealed(NamedTuple):
    row_id: UUID
    tenant_id: UUID
    value: bytes
    current_key: UUID


class Swapped(NamedTuple):
    """How many rows were changed, and how many were passed over since another transaction held them."""

    done: int
    held: int


def due(column: Column, after: UUID) -> list[Sealed]:
    """The next values that are not under their tenant's current data key, as many as fit into memory well."""
    with connections["system"].cursor() as cursor:
        bounds: dict[str, Any] = {"last": after, "most": BATCH_ROWS, "bytes": BATCH_BYTES}
        cursor.execute(_sql(_DUE, column), bounds)
        return [Sealed(row_id, tenant_id, bytes(value), key) for row_id, tenant_id, value, key in cursor.fetchall()]


def count_due(column: Column, current_kek_id: str) -> int:
    """How many there are, or will be when data keys made under another key-encryption key are renewed."""
    return _number(_sql(_COUNT, column), current=current_kek_id)


def orphans(column: Column) -> int:
    """How many values name a data key that their tenant does not have."""
    return _number(_sql(_ORPHANS, column))


def pointers(column: Column) -> int:
    """How many values only say where a vault keeps them."""
    return _number(_sql(_POINTERS, column), pointer=POINTER)


def swap(column: Column, changes: Sequence[tuple[Sealed, bytes]], *, using: str = "system") -> Swapped:
    """Put new values in the place of old ones, where these still stand."""
    if not changes:
        return Swapped(0, 0)
    with connections[using].cursor() as cursor:
        cursor.execute(
            _sql(_SWAP, column, head=HEAD, key_id=", key_id = n.key_id" if column.has_key_id else ""),
            {
                "ids": [was.row_id for was, _ in changes],
                "values": [value for _, value in changes],
                "key_ids": [str(UUID(bytes=value[1:17])) for _, value in changes],
                "was": [was.value[:HEAD] for was, _ in changes],
            },
        )
        done, locked = cursor.fetchone()
        return Swapped(done, len(changes) - locked)


def swap_wraps(rows: Sequence[TenantKey], wrapped: Sequence[Wrapped]) -> Swapped:
    """Put new wraps in the place of the old ones, where these still stand."""
    if not rows:
        return Swapped(0, 0)
    with connections["system"].cursor() as cursor:
        cursor.execute(
            _SWAP_WRAPS,
            {
                "ids": [row.id for row in rows],
                "wrapped": [each.data for each in wrapped],
                "kek_ids": [each.kek_id for each in wrapped],
                "was": [row.kek_id for row in rows],
            },
        )
        done, locked = cursor.fetchone()
        return Swapped(done, len(rows) - locked)


def forget_unused(still_needed: timedelta) -> int:
    """Delete retired data keys that no value has named for so long; returns how many."""
    is_named = _IS_NAMED.format(named=" UNION ALL ".join(_sql(_NAMED, column) for column in columns()))
    keys = "credentials_tenantkey k"
    with connections["system"].cursor() as cursor:
        cursor.execute(f"UPDATE {keys} SET unused_since = NULL WHERE unused_since IS NOT NULL AND {is_named}")
        cursor.execute(
            f"DELETE FROM {keys} WHERE unused_since < now() - make_interval(secs => %s)",
            [still_needed.total_seconds()],
        )
        deleted = int(cursor.rowcount)
        cursor.execute(
            f"UPDATE {keys} SET unused_since = now() "
            f"WHERE retired_at IS NOT NULL AND unused_since IS NULL AND NOT {is_named}"
        )
    return deleted


def _sql(text: str, column: Column, **more: object) -> str:
    return text.format(table=column.table, name=column.name, rows=column.rows, **more)


def _number(statement: str, **parameters: Any) -> int:
    with connections["system"].cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.fetchone()[0])
