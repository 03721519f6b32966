"""Publish what the outbox holds: claim a batch, hand it to the broker, delete what the broker took.

A relay that dies between the last two publishes again after its claim ends: tasks are idempotent, nothing is lost.
No transaction is open while the broker is spoken to.
"""

import json
import random
import threading
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog
from django.conf import settings
from django.db import OperationalError, connections
from kombu.exceptions import OperationalError as BrokerError

from integrationhub.celery import app

log = structlog.get_logger(__name__)

CHANNEL = "hub_outbox"
BATCH = 100
CLAIM_SECONDS = 30
IDLE_SECONDS = 5.0
LONGEST_DELAY_SECONDS = 60.0

CLAIM = """
UPDATE outbox_outboxmessage SET due_at = now() + make_interval(secs => %s)
WHERE id IN (SELECT id FROM outbox_outboxmessage WHERE due_at <= now() ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id, task, queue, arguments, request_id, failures
"""
POSTPONE = """
UPDATE outbox_outboxmessage
SET due_at = now() + make_interval(secs => %s), failures = failures + 1, last_error = %s WHERE id = %s
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    id: UUID
    task: str
    queue: str
    arguments: str
    request_id: str
    failures: int


def relay_batch() -> int:
    """Publish up to a hundred due messages; returns how many were claimed. The rows of a broker that fails stay."""
    claimed = _claim()
    taken = []
    for message in claimed:
        try:
            app.send_task(
                message.task,
                kwargs=json.loads(message.arguments),  # Django's cursor hands jsonb over as text.
                queue=message.queue,
                headers={"request_id": message.request_id},
                retry=False,
            )
        except (BrokerError, OSError) as error:
            log.warning("The broker did not take a message.", task=message.task, error=type(error).__name__)
            _postpone(message, error)
        else:
            taken.append(message.id)
    if taken:
        with connections["system"].cursor() as cursor:
            cursor.execute("DELETE FROM outbox_outboxmessage WHERE id = ANY(%s)", [taken])
    return len(claimed)


def _claim() -> list[Claimed]:
    with connections["system"].cursor() as cursor:
        cursor.execute(CLAIM, [CLAIM_SECONDS, BATCH])
        return [Claimed(*row) for row in cursor.fetchall()]


def _postpone(message: Claimed, error: Exception) -> None:
    delay = min(LONGEST_DELAY_SECONDS, 2.0**message.failures) * random.uniform(0.5, 1)  # noqa: S311  Jitter, no secret.
    with connections["system"].cursor() as cursor:
        cursor.execute(POSTPONE, [delay, f"{type(error).__name__}: {error}"[:500], message.id])


def run(stop: threading.Event) -> None:
    """Relay until `stop` is set: at once when a commit rings, else every few seconds. A lost database is waited for."""
    pause = 0.2
    while not stop.is_set():
        try:
            with _listening() as bell:
                pause = 0.2
                while not stop.is_set():
                    while relay_batch() == BATCH and not stop.is_set():
                        pass
                    next(iter(bell.notifies(timeout=IDLE_SECONDS, stop_after=1)), None)
        except (psycopg.OperationalError, OperationalError) as error:
            log.warning("The relay lost its database and tries again.", error=type(error).__name__, pause_seconds=pause)
            connections["system"].close()
            stop.wait(pause)
            pause = min(5.0, pause * 2)


def _listening() -> psycopg.Connection:
    database = settings.DATABASES["system"]
    connection = psycopg.connect(
        host=database["HOST"],
        port=database["PORT"] or 5432,
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=database["NAME"],
        connect_timeout=5,
        autocommit=True,
    )
    connection.execute(f"LISTEN {CHANNEL}")
    return connection
