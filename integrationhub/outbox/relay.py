"""Publish what the outbox holds: claim a batch, hand it to the broker, delete what the broker took.

A relay that dies between the last two publishes again after its claim ends: tasks are idempotent, nothing is lost.
No transaction is open while the broker is spoken to.

Of the queue `execute` the broker is given no more than workers will soon take, and of each tenant in turn: what waits
behind it waits here, so that a tenant's ten thousand do not stand before another's first.
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
from integrationhub.outbox import scheduling
from integrationhub.outbox.models import FAIR_QUEUE

log = structlog.get_logger(__name__)

CHANNEL = "hub_outbox"
BATCH = 100
# Longer than a publish to a broker that hangs; what a relay that is killed held waits this long for the next one.
CLAIM_SECONDS = 10.0
IDLE_SECONDS = 3.0
# A batch costs a broker that is away one try, so that asking often is cheap and its return soon seen.
LONGEST_DELAY_SECONDS = 10.0
MOST_FAULTS = 5
# How long the broker's list of executions may be, and when a relay that was kept from more looks again.
LIST_LENGTH = 32
HELD_BACK_SECONDS = 0.05
# So long after something was collected it looks again, and how often: what is collected rings no bell for each row.
COLLECTING_SECONDS = 1.0
COLLECTED_SECONDS = 0.2
# What comes within that time of a collection is collected together: each costs a few statements, however much it finds.
GATHERING_SECONDS = 0.1
# kombu names what it meets while it connects; what breaks later comes from below as it is.
BROKER_AWAY = (BrokerError, RedisError, OSError)

CLAIM = """
UPDATE outbox_outboxmessage SET due_at = now() + make_interval(secs => %(seconds)s)
WHERE id IN (SELECT id FROM outbox_outboxmessage WHERE state = 'waiting' AND queue <> 'execute' AND due_at <= now()
             ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
RETURNING 1, id, task, queue, arguments, request_id, failures, faults
"""
# Each tenant's first, then each one's second... From tenant to tenant it leaps along an index; which come first is left
# to chance, since in a round with room for one it would else be the same tenant's again and again.
CLAIM_FAIRLY = """
WITH RECURSIVE tenants AS (
    (SELECT tenant_id FROM outbox_outboxmessage WHERE state = 'waiting' AND queue = 'execute' AND due_at <= now()
     ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT following.tenant_id FROM tenants CROSS JOIN LATERAL (
        SELECT tenant_id FROM outbox_outboxmessage
        WHERE state = 'waiting' AND queue = 'execute' AND due_at <= now() AND tenant_id > tenants.tenant_id
        ORDER BY tenant_id LIMIT 1) AS following
), turns AS (
    SELECT mine.id, mine.turn FROM (SELECT tenant_id FROM tenants ORDER BY random() LIMIT %(most)s) AS drawn
    CROSS JOIN LATERAL (
        SELECT id, row_number() OVER (ORDER BY due_at) AS turn FROM outbox_outboxmessage
        WHERE state = 'waiting' AND queue = 'execute' AND due_at <= now() AND tenant_id = drawn.tenant_id
        ORDER BY due_at LIMIT %(most)s) AS mine
    ORDER BY mine.turn, random() LIMIT %(most)s
), claimed AS (
    SELECT id FROM outbox_outboxmessage
    WHERE id IN (SELECT id FROM turns) AND state = 'waiting' AND due_at <= now() FOR UPDATE SKIP LOCKED
)
UPDATE outbox_outboxmessage AS message SET due_at = now() + make_interval(secs => %(seconds)s)
FROM claimed JOIN turns USING (id) WHERE message.id = claimed.id
RETURNING turns.turn, message.id, task, queue, arguments, request_id, failures, faults
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


@dataclass(frozen=True, slots=True)
class Round:
    """How many messages a round claimed, of a broker that is away how many it took; whether more may wait for room."""

    handled: int
    held_back: bool = False


def relay_batch() -> Round:
    """Publish up to a hundred due messages, and of the fair queue as many as the broker has room for.

    A broker that fails once is not asked for the rest of the batch: all that is left of it waits. A message that fails
    for its own sake waits alone, and is dead after five tries. What a slow broker leaves of a claim's time is left too.
    """
    taken: list[UUID] = []
    claim_ends = time.monotonic() + CLAIM_SECONDS
    try:
        room = _room()
    except BROKER_AWAY as error:
        _postpone(_claim(BATCH), error)
        return Round(0)
    claimed = _claim(room)
    try:
        for position, message in enumerate(claimed):
            if time.monotonic() > claim_ends:
                break
            try:
                _publish(message)
            except BROKER_AWAY as error:
                _postpone(claimed[position:], error)
                return Round(len(taken))
            except Exception as fault:
                # The boundary of one message: whatever is wrong with it must not stop the others.
                log.exception("A message could not be published.", task=message.task, message_id=str(message.id))
                _count_fault(message, fault)
            else:
                taken.append(message.id)
    finally:
        _delete(taken)
    return Round(len(claimed), held_back=sum(message.queue == FAIR_QUEUE for message in claimed) == room)


def _room() -> int:
    """How many more executions the broker's list may hold."""
    with app.connection_or_acquire() as connection:
        return max(0, LIST_LENGTH - connection.default_channel.queue_declare(FAIR_QUEUE).message_count)


def _claim(room: int) -> list[Claimed]:
    with connections["system"].cursor() as cursor:
        cursor.execute(CLAIM, {"seconds": CLAIM_SECONDS, "most": BATCH})
        rows = cursor.fetchall()
        if room:
            cursor.execute(CLAIM_FAIRLY, {"seconds": CLAIM_SECONDS, "most": room})
            rows += cursor.fetchall()
    # By their turns, then by their ids, which are made of their time: RETURNING promises no order.
    return [Claimed(*row) for _, *row in sorted(rows)]


def _publish(message: Claimed) -> None:
    app.send_task(
        message.task,
        kwargs=json.loads(message.arguments),  # Django's cursor hands jsonb over as text.
        queue=message.queue,
        headers={"request_id": message.request_id},
        retry=False,
    )


def _postpone(messages: list[Claimed], error: Exception) -> None:
    if not messages:
        return
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

    What `settings.COLLECTORS` name is called before each round, and what `settings.SETTLER` names after it; how often
    it settles is its own affair.
    """
    pause, gathering = 0.2, _Gathering()
    while not stop.is_set():
        try:
            with _listening() as bell:
                pause = 0.2
                while not stop.is_set():
                    scheduling.wake_when_due()
                    gathering.collect()
                    done = relay_batch()
                    _settle()
                    if done.handled < BATCH:
                        longest = HELD_BACK_SECONDS if done.held_back else gathering.pause()
                        next(iter(bell.notifies(timeout=longest, stop_after=1)), None)
        except (psycopg.OperationalError, OperationalError) as error:
            log.warning("The relay lost its database and tries again.", error=type(error).__name__, pause_seconds=pause)
            connections["system"].close()
            stop.wait(pause)
            pause = min(5.0, pause * 2)


class _Gathering:
    """When to collect: what comes after a pause at once, and while it goes on coming ten times a second."""

    not_before = looks_until = 0.0

    def collect(self) -> None:
        now = time.monotonic()
        if now >= self.not_before and _collect():
            self.not_before, self.looks_until = now + GATHERING_SECONDS, now + COLLECTING_SECONDS

    def pause(self) -> float:
        """How long the relay may sleep, unless it is rung for, in seconds."""
        now = time.monotonic()
        if now < self.not_before:
            return self.not_before - now
        return COLLECTED_SECONDS if now < self.looks_until else IDLE_SECONDS


def _collect() -> int:
    """By all collectors."""
    return sum([_collected_by(each) for each in settings.COLLECTORS])


def _collected_by(collector: str) -> int:
    """Let rows that wait for workers be put into the outbox, many to a message; returns how many there were."""
    try:
        return int(import_string(collector)())
    except (psycopg.OperationalError, OperationalError):
        raise
    except Exception:
        # The boundary between two duties: a fault in collecting must keep no message waiting.
        log.exception("What waits for workers could not be collected.", collector=collector)
        return 0


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
