"""Publish what the outbox holds: claim a batch, hand it to the broker, delete what the broker took.

A relay that dies between the last two publishes again after its claim ends: tasks are idempotent, nothing is lost.
No transaction is open while the broker is spoken to.
"""

import json
import random
import threading
import time
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog
from django.conf import settings
from django.db import OperationalError, connections
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from integrationhub.celery import app

log = structlog.get_logger(__name__)

CHANNEL = "hub_outbox"
BATCH = 100
# Longer than a publish to a broker that hangs; what a relay that is killed held waits this long for the next one.
CLAIM_SECONDS = 10.0
IDLE_SECONDS = 3.0
# A batch costs a broker that is away one try, so that asking often is cheap and its return soon seen.
LONGEST_DELAY_SECONDS = 10.0
MOST_FAULTS = 5
# kombu names what it meets while it connects; what breaks later comes from below as it is.
BROKER_AWAY = (BrokerError, RedisError, OSError)

CLAIM = """
UPDATE outbox_outboxmessage SET due_at = now() + make_interval(secs => %s)
WHERE id IN (SELECT id FROM outbox_outboxmessage WHERE state = 'waiting' AND due_at <= now()
             ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id, task, queue, arguments, request_id, failures, faults
"""
POSTPONE = """
UPDATE outbox_outboxmessage
SET due_at = now() + make_interval(secs => %s), failures = failures + 1, last_error = %s WHERE id = ANY(%s)
"""
FAULT = """
UPDATE outbox_outboxmessage
SET due_at = now() + make_interval(secs => %s), faults = faults + 1, last_error = %s,
    state = CASE WHEN faults + 1 >= %s THEN 'dead' ELSE state END
WHERE id = %s
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    id: UUID
    task: str
    queue: str
    arguments: str
    request_id: str
    failures: int
    faults: int


def relay_batch() -> int:
    """Publish up to a hundred due messages; returns how many were claimed, of a broker that is away how many it took.

    A broker that fails once is not asked for the rest of the batch: all that is left of it waits. A message that fails
    for its own sake waits alone, and is dead after five tries. What a slow broker leaves of a claim's time is left too.
    """
    taken: list[UUID] = []
    claim_ends = time.monotonic() + CLAIM_SECONDS
    claimed = _claim()
    try:
        for position, message in enumerate(claimed):
            if time.monotonic() > claim_ends:
                break
            try:
                _publish(message)
            except BROKER_AWAY as error:
                _postpone(claimed[position:], error)
                return len(taken)
            except Exception as fault:
                # The boundary of one message: whatever is wrong with it must not stop the others.
                log.exception("A message could not be published.", task=message.task, message_id=str(message.id))
                _count_fault(message, fault)
            else:
                taken.append(message.id)
    finally:
        _delete(taken)
    return len(claimed)


def _claim() -> list[Claimed]:
    with connections["system"].cursor() as cursor:
        cursor.execute(CLAIM, [CLAIM_SECONDS, BATCH])
        # By their ids, which are made of their time: RETURNING promises no order.
        return [Claimed(*row) for row in sorted(cursor.fetchall())]


def _publish(message: Claimed) -> None:
    app.send_task(
        message.task,
        kwargs=json.loads(message.arguments),  # Django's cursor hands jsonb over as text.
        queue=message.queue,
        headers={"request_id": message.request_id},
        retry=False,
    )


def _postpone(messages: list[Claimed], error: Exception) -> None:
    log.warning("The broker took no message.", error=type(error).__name__, waiting=len(messages))
    delay = _delay(messages[0].failures)
    with connections["system"].cursor() as cursor:
        cursor.execute(POSTPONE, [delay, _words(error), [message.id for message in messages]])


def _count_fault(message: Claimed, fault: Exception) -> None:
    with connections["system"].cursor() as cursor:
        cursor.execute(FAULT, [_delay(message.faults), _words(fault), MOST_FAULTS, message.id])


def _delete(taken: list[UUID]) -> None:
    if taken:
        with connections["system"].cursor() as cursor:
            cursor.execute("DELETE FROM outbox_outboxmessage WHERE id = ANY(%s)", [taken])


def _delay(failures: int) -> float:
    return min(LONGEST_DELAY_SECONDS, 2.0 ** min(failures, 10)) * random.uniform(0.5, 1)  # noqa: S311  Jitter, no secret.


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\0", "")[:500]


def run(stop: threading.Event) -> None:
    """Relay until `stop` is set: at once when a commit rings, else every few seconds. A lost database is waited for.

    What `settings.SETTLER` names is called after each round; how often it settles is its own affair.
    """
    pause = 0.2
    while not stop.is_set():
        try:
            with _listening() as bell:
                pause = 0.2
                while not stop.is_set():
                    claimed = relay_batch()
                    _settle()
                    if claimed < BATCH:
                        next(iter(bell.notifies(timeout=IDLE_SECONDS, stop_after=1)), None)
        except (psycopg.OperationalError, OperationalError) as error:
            log.warning("The relay lost its database and tries again.", error=type(error).__name__, pause_seconds=pause)
            connections["system"].close()
            stop.wait(pause)
            pause = min(5.0, pause * 2)


def _settle() -> None:
    """Let what was left behind be settled here too: workers do it while the broker is there, and only then."""
    try:
        import_string(settings.SETTLER)()
    except Exception:
        # The boundary between two duties: a fault in settling must keep no message waiting.
        log.exception("What was left behind could not be settled.")
    finally:
        connections["default"].close()  # No request ends here, which is when Django looks whether it still lives.


def _listening() -> psycopg.Connection:
    # All that the URL says of its connection; a pool would lend one that others have listened on.
    connection = psycopg.connect(**connections["system"].get_connection_params(), autocommit=True)
    connection.execute(f"LISTEN {CHANNEL}")
    return connection
