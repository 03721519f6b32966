"""Rows that wait for a worker, put into the outbox by the relay: one message for many of them, by their ids.

It is the sweeper too: a row is due until a worker has seen to it, and whoever takes one holds it for a time only. So a
message that is lost, and a worker that dies, cost that time and nothing else.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from django.db import connections, transaction

from integrationhub.core.operators import SYSTEM
from integrationhub.outbox.models import OutboxMessage

POSTS_AT_ONCE = 200
BYTES_AT_ONCE = 4 * 1024 * 1024
EVENTS_AT_ONCE = 200
# Longer than a queue usually is; a row that is worked on meanwhile is held by who does it.
HELD_SECONDS = 120
# While nobody takes messages, more of them would say the same.
MOST_WAITING = 20

PROCESS_TASK = "integrationhub.webhooks.tasks.process_posts"
HANDLE_TASK = "integrationhub.webhooks.tasks.handle_events"

POSTS = """
WITH due AS (
    SELECT id, octet_length(body) AS size FROM webhooks_post WHERE status = 'received' AND lease_until <= now()
    ORDER BY lease_until LIMIT %(most)s FOR UPDATE SKIP LOCKED
), batch AS (
    SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM due) AS sums WHERE before < %(bytes)s
)
UPDATE webhooks_post AS post SET lease_until = now() + make_interval(secs => %(seconds)s)
FROM batch WHERE post.id = batch.id RETURNING post.tenant_id, post.id
"""
EVENTS = """
WITH due AS (
    SELECT id FROM webhooks_webhookevent WHERE due_at <= now() ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE webhooks_webhookevent AS event SET due_at = now() + make_interval(secs => %(seconds)s)
FROM due WHERE event.id = due.id RETURNING event.tenant_id, event.id
"""
WAITING = "SELECT count(*) FROM outbox_outboxmessage WHERE state = 'waiting' AND queue = 'webhook'"


def collect() -> int:
    """Post what is due, across tenants; returns how many rows. One of `settings.COLLECTORS`, called by the relay."""
    collected = 0
    for _ in range(MOST_WAITING):
        rows = _batch()
        collected += rows
        if rows < POSTS_AT_ONCE:
            break
    return collected


def _batch() -> int:
    shared = {"seconds": HELD_SECONDS, "bytes": BYTES_AT_ONCE}
    with transaction.atomic(using=SYSTEM), connections[SYSTEM].cursor() as cursor:
        cursor.execute(WAITING)
        if cursor.fetchone()[0] >= MOST_WAITING:
            return 0
        cursor.execute(POSTS, {**shared, "most": POSTS_AT_ONCE})
        posts = cursor.fetchall()
        cursor.execute(EVENTS, {**shared, "most": EVENTS_AT_ONCE})
        events = cursor.fetchall()
        # Only if there is one: even an insert of no row rings for the relay, which would never rest.
        if messages := [*_messages(PROCESS_TASK, posts), *_messages(HANDLE_TASK, events)]:
            OutboxMessage.objects.using(SYSTEM).bulk_create(messages)
        return len(posts) + len(events)


def _messages(task: str, rows: Iterable[tuple[UUID, UUID]]) -> Iterator[OutboxMessage]:
    """One for each tenant."""
    ids: dict[UUID, list[str]] = {}
    for tenant_id, row_id in sorted(rows):
        ids.setdefault(tenant_id, []).append(str(row_id))
    for tenant_id, of_tenant in ids.items():
        arguments = {"tenant_id": str(tenant_id), "ids": of_tenant}
        yield OutboxMessage(tenant_id=tenant_id, task=task, queue="webhook", arguments=arguments)
