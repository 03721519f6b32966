"""Tables that are range-partitioned by their UUIDv7 `id`: how a migration makes them, and the months ahead."""

from django.db import connections
from django.db.migrations.operations import RunSQL


class PartitionedTable(RunSQL):
    """Turn the table that `CreateModel` just made into a partitioned one of the same columns and name.

    Django cannot declare partitions, so the empty table is replaced by its like, keyed by `id`, with a default
    partition that takes what no month covers: nothing is ever refused for want of a partition.
    """

    def __init__(self, table: str) -> None:
        super().__init__(
            f"""
            ALTER TABLE {table} RENAME TO {table}_template;
            CREATE TABLE {table} (
                LIKE {table}_template INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (id)
            ) PARTITION BY RANGE (id);
            DROP TABLE {table}_template;
            CREATE TABLE {table}_default PARTITION OF {table} DEFAULT;
            """,
            RunSQL.noop,
        )
        self.table = table

    def deconstruct(self) -> tuple[str, list[str], dict[str, str]]:
        return type(self).__name__, [self.table], {}


def ensure_partitions(table: str, *, months_ahead: int = 3, using: str = "system") -> list[str]:
    """Make this month's partition and those of the months ahead where missing; returns the names of the new ones."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT hub_make_partitions(%s::regclass, %s)", [table, months_ahead])
        return [name for (name,) in cursor.fetchall()]
