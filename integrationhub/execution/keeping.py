"""Payloads at rest: sealed while a run waits, and for a week where it did not succeed, so that a retry needs none."""

import json
from datetime import timedelta
from typing import Any

import structlog

from credentials.errors import VaultUnreadable
from credentials.vault import Context, vault
from integrationhub.core.deadline import Deadline
from integrationhub.core.tenancy import run_in_scope
from integrationhub.execution.models import PAYLOAD_PLACE, Execution
from integrationhub.execution.order import Order

log = structlog.get_logger(__name__)

KEPT = timedelta(days=7)
# Of a longer one a failure is not worth the room; its caller has it.
MOST_BYTES = 1024 * 1024

KEEP = """
UPDATE execution_execution SET sealed_payload = %(sealed)s
WHERE id = %(execution_id)s AND tenant_id = %(tenant_id)s AND status IN ('failed', 'unknown')
  AND NOT EXISTS (SELECT FROM execution_execution WHERE retry_of = %(execution_id)s AND tenant_id = %(tenant_id)s)
"""


def seal(execution: Execution, order: Order, deadline: Deadline | None = None) -> bytes:
    """Raises VaultUnreadable."""
    return vault().seal(_plain(order), _context(execution), deadline)


def opened(execution: Execution) -> dict[str, Any]:
    """Raises VaultUnreadable, and VaultUnavailable where it may open later."""
    sealed = bytes(execution.sealed_payload or b"")
    payload: dict[str, Any] = json.loads(vault().open(sealed, _context(execution)))
    return payload


def keep(execution: Execution, order: Order, deadline: Deadline) -> None:
    """Keep what an execution that has just failed was to send, unless it is long or a file stood beside it. Where it
    cannot be sealed by the deadline, it is not kept: a vault that hangs must not keep the caller waiting."""
    if order.file is not None or len(_plain(order)) > MOST_BYTES:
        return
    try:
        sealed = execution.sealed_payload or seal(execution, order, deadline)
    except VaultUnreadable as error:
        log.warning("The payload of a failed execution is not kept.", reason=error.details.get("reason"))
    else:
        keep_sealed(execution, bytes(sealed))


def keep_sealed(execution: Execution, sealed: bytes | memoryview | None) -> None:
    """Its end has emptied the row. One that has been retried meanwhile is not retried again."""
    if sealed and len(sealed) <= MOST_BYTES:
        run_in_scope(execution.tenant_id, KEEP, execution_id=execution.id, sealed=bytes(sealed))


def _plain(order: Order) -> bytes:
    return json.dumps(order.payload).encode()


def _context(execution: Execution) -> Context:
    return Context(execution.tenant_id, Execution._meta.db_table, execution.id, PAYLOAD_PLACE)
