"""Messages that are not due yet lie apart, so that those who look for what is due need not step over them."""

from django.db import connections

from integrationhub.core.memory import ShortMemory

MOST = 1000
# As if it had been posted when it was due, which is what its age is counted from.
WAKE = """
UPDATE outbox_outboxmessage SET state = 'waiting', created_at = due_at
WHERE id IN (SELECT id FROM outbox_outboxmessage WHERE state = 'scheduled' AND due_at <= now()
             ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""

_woken_lately: ShortMemory[bool, bool] = ShortMemory(seconds=1, capacity=1)


def wake() -> int:
    """Let up to a thousand messages whose time has come wait for the relay; returns how many."""
    with connections["system"].cursor() as cursor:
        cursor.execute(WAKE, [MOST])
        return cursor.rowcount


def wake_when_due() -> None:
    """Wake unless this process has done so within the last second."""
    if _woken_lately.get(True) is None:
        _woken_lately.put(True, True)
        wake()
