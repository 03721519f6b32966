"""Dead messages, published again at an operator's word."""

from collections.abc import Iterable
from uuid import UUID

from django.db import connections

REDRIVE = """
UPDATE outbox_outboxmessage SET state = 'waiting', faults = 0, due_at = now()
WHERE id = ANY(%s) AND state = 'dead' RETURNING id
"""


def redrive(message_ids: Iterable[UUID]) -> set[UUID]:
    """Let those that are dead wait for the relay again, across tenants; returns their ids."""
    with connections["system"].cursor() as cursor:
        cursor.execute(REDRIVE, [list(message_ids)])
        return {message_id for (message_id,) in cursor.fetchall()}
