"""Calls of our own database functions, straight through libpq.

They stand around every call of a provider, and a cursor would cost as much as what it asks for. libpq waits without
holding Python's lock, as long as the server does: the role's `statement_timeout` bounds it, and where no packet comes,
the limits of the connection. https://www.psycopg.org/psycopg3/docs/api/pq.html
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

# What our functions answer with: boolean, bigint, text, timestamptz. Another type is a KeyError, and a mistake of ours.
_READ: dict[int, Callable[[bytes], Any]] = {
    16: lambda value: value == b"t",
    20: int,
    25: bytes.decode,
    1184: lambda value: datetime.fromisoformat(value.decode()),
}
_encode = json.JSONEncoder(default=str, separators=(",", ":")).encode


def call(
    server: psycopg.Connection[Any], function: str, tenant_id: UUID, order: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """The rows of a function of ours, which takes a tenant and `order` as JSON. Raises psycopg's errors.

    Not as the first statement of a transaction of psycopg's: it begins one with its own statements only.
    """
    if not server.autocommit and server.pgconn.transaction_status == TransactionStatus.IDLE:
        raise RuntimeError("The call would not be part of the transaction around it.")
    # Planning so short a statement costs less than keeping account of what each connection has prepared, which psycopg
    # throws away now and then, and PgBouncer too.
    sql = b"SELECT * FROM %b($1, $2)" % function.encode()
    result = server.pgconn.exec_params(sql, [str(tenant_id).encode(), _encode(order).encode()])
    if result.status != ExecStatus.TUPLES_OK:
        raise _error(result)
    return [tuple(_value(result, row, column) for column in range(result.nfields)) for row in range(result.ntuples)]


def _value(result: PGresult, row: int, column: int) -> Any:
    value = result.get_value(row, column)
    return None if value is None else _READ[result.ftype(column)](value)


def _error(result: PGresult) -> psycopg.Error:
    """What went wrong, in the class that a cursor would raise; a connection that broke has no code of an error."""
    if result.error_field(DiagnosticField.SQLSTATE):
        return error_from_result(result)
    return psycopg.OperationalError(result.get_error_message())
