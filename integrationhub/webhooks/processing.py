"""A worker's side: bodies taken apart, each thing stored once for its tenant, and handled."""

import json
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.conf import settings
from django.db import close_old_connections, connection
from django.db.models.functions import Now

from integrationhub.core.deadline import Deadline
from integrationhub.core.exception_handler import DATABASE_AWAY
from integrationhub.core.logs import HIDDEN
from integrationhub.core.operators import SYSTEM
from integrationhub.core.tenancy import tenant_scope
from integrationhub.webhooks import handling, sources
from integrationhub.webhooks.meta import Item
from integrationhub.webhooks.models import NOBODY, Post, WebhookEvent
from providers.callbacks import Webhook
from whatsapp import accounts

log = structlog.get_logger(__name__)

# An adapter reads what is there and asks nobody.
TAKING_APART_SECONDS = 5.0
# How long a worker that took bodies holds them, and how many workers may have ended over them.
LEASE_SECONDS = 90
MOST_TAKES = 5
# How long a worker waits for a database that went away over its bodies, or for another worker's locks, before it
# leaves them to their lease.
PAUSES_SECONDS = (0.5, 1, 2, 4, 8)
# Events of one transaction: another worker with one of them waits for its end, and two seconds at most.
CHUNK = 100
# Of nobody's events, by one task.
KEPT_AT_ONCE = 500

TAKE = """
UPDATE webhooks_post SET takes = takes + %(counts)s,
    status = CASE WHEN takes < %(most)s THEN 'received' ELSE 'failed' END,
    lease_until = CASE WHEN takes < %(most)s THEN now() + make_interval(secs => %(seconds)s) END
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s) AND status = 'received'
RETURNING id, provider_key, body, secret, received_at, status, query, headers
"""
# Locked in one order first, since another worker may count repeats of the same events.
COUNT_AGAIN = """
WITH again AS (SELECT * FROM unnest(%(keys)s::bytea[], %(posts)s::uuid[]) AS told (key, post_id)), locked AS (
    SELECT id, key, post_id FROM webhooks_webhookevent
    WHERE tenant_id = %(tenant_id)s AND provider_key = %(provider_key)s AND key = ANY(%(keys)s)
    ORDER BY id FOR NO KEY UPDATE
), counted AS (
    SELECT locked.id, count(*) AS times FROM locked JOIN again USING (key)
    WHERE locked.post_id <> again.post_id GROUP BY locked.id
)
UPDATE webhooks_webhookevent AS event SET duplicates = duplicates + counted.times
FROM counted WHERE event.id = counted.id AND event.tenant_id = %(tenant_id)s
"""
# `handling.CHANGED`.
NOTE = """
UPDATE webhooks_webhookevent AS event
SET status = told.status, attempts = told.attempts::jsonb, due_at = told.due_at, processed_at = told.processed_at
FROM unnest(%(ids)s::uuid[], %(statuses)s::text[], %(attempts)s::text[], %(due)s::timestamptz[],
    %(processed)s::timestamptz[]) AS told (id, status, attempts, due_at, processed_at)
WHERE event.tenant_id = %(tenant_id)s AND event.id = told.id
"""

# A body, and what it tells.
Apart = tuple["Taken", list[Item]]
# By tenant and provider.
Told = dict[tuple[UUID, str], list[WebhookEvent]]


class Taken(NamedTuple):
    id: UUID
    provider_key: str
    body: bytes
    secret: str
    received_at: datetime
    status: str
    query: str = ""
    headers: str = "{}"  # As Django's cursor hands jsonb over.

    def hook(self) -> Webhook:
        """As it came, but for its headers, of which few are kept, and its address, of which the query is."""
        kept = {name.lower(): value for name, value in json.loads(self.headers).items() if value != HIDDEN}
        url = f"{settings.PUBLIC_BASE_URL}/?{self.query}"
        return Webhook(
            "POST" if self.body else "GET", url, kept, bytes(self.body), Deadline.after(TAKING_APART_SECONDS)
        )


def process(tenant_id: UUID, post_ids: Collection[UUID]) -> None:
    """Take apart those of the bodies that nobody has done, and handle what they tell. May be done twice, or by two.

    `tenant_id` is whose rows they are: NOBODY's tell of any tenant. A database that goes away meanwhile is waited for,
    fifteen seconds at most; then its errors are raised, and what is left is taken again after its lease.
    """
    for tries, pause in enumerate(PAUSES_SECONDS):
        try:
            return _process(tenant_id, post_ids, is_first=tries == 0)
        except DATABASE_AWAY as error:
            log.warning("The database went away over webhooks.", error=type(error).__name__, pause_seconds=pause)
            close_old_connections()
            time.sleep(pause)
    return _process(tenant_id, post_ids, is_first=False)


def _process(tenant_id: UUID, post_ids: Collection[UUID], *, is_first: bool) -> None:
    taken = _take(tenant_id, post_ids, is_first=is_first)
    told, troubled = _told(tenant_id, taken)
    for owner, provider_key in sorted(told):
        events = told[owner, provider_key]
        for start in range(0, len(events), CHUNK):
            troubled |= _stored(owner, provider_key, events[start : start + CHUNK])
    with tenant_scope(tenant_id):
        mine = Post.objects.for_tenant(tenant_id).filter(id__in={post.id for post in taken} - troubled)
        mine.update(status=Post.Status.PROCESSED, lease_until=None, processed_at=Now())


def assign(event: WebhookEvent) -> list[WebhookEvent]:
    """Give an event that belongs to nobody to those who have bound its number since; they may have it already.

    Returns what they were given. Its payload is a body like the one it came in.
    """
    given = []
    for (owner, provider_key), events in _owned(event).items():
        store(owner, provider_key, events)
        given += events
    return given


def assign_kept(tenant_id: UUID, phone_number_id: str, after: UUID) -> None:
    """Give what is kept of a number for nobody to who has it now, the oldest first, from those that follow `after`;
    what was given is nobody's no more. `tenant_id` has proven the number; another task goes on with what is left."""
    kept = WebhookEvent.objects.using(SYSTEM).for_tenant(NOBODY).filter(id__gt=after)
    # As `meta` writes it; who owns an event is looked up below.
    named = kept.filter(provider_key=accounts.KEY, payload__contains=f'"phone_number_id": "{phone_number_id}"')
    events = list(named.order_by("id")[:KEPT_AT_ONCE])
    for event in events:
        owned = _owned(event)
        if owned and not any(_stored(owner, key, given) for (owner, key), given in owned.items()):
            kept.filter(id=event.id).delete()
    if len(events) == KEPT_AT_ONCE:
        with tenant_scope(tenant_id):
            accounts.have_kept_given(tenant_id, phone_number_id, after=str(events[-1].id))


def _owned(event: WebhookEvent) -> Told:
    """Nobody's event, by who has it now."""
    told, _ = _told(NOBODY, [Taken(event.post_id, event.provider_key, event.payload.encode(), event.secret,
                                   event.received_at, Post.Status.RECEIVED)])  # fmt: skip
    return {whose: events for whose, events in told.items() if whose[0] != NOBODY}


def store(tenant_id: UUID, provider_key: str, events: Sequence[WebhookEvent]) -> None:
    """Insert those that the tenant does not have, and handle them, all in one transaction; count the others."""
    # In one order, so that of two workers with the same events none waits for the other in a circle.
    events = sorted(events, key=lambda event: bytes(event.key))
    with tenant_scope(tenant_id):
        rows = WebhookEvent.objects.for_tenant(tenant_id)
        WebhookEvent.objects.bulk_create(events, ignore_conflicts=True)
        stored = set(rows.filter(id__in=[event.id for event in events]).values_list("id", flat=True))
        _count_again(tenant_id, provider_key, [event for event in events if event.id not in stored])
        new = [event for event in events if event.id in stored and event.status == WebhookEvent.Status.RECEIVED]
        handling.handle_all(handling.in_order(new))
        _note(tenant_id, new)


def _note(tenant_id: UUID, events: Sequence[WebhookEvent]) -> None:
    """What came of them, in one statement: it is half of a worker's time by the ORM."""
    with connection.cursor() as cursor:
        cursor.execute(
            NOTE,
            {
                "tenant_id": tenant_id,
                "ids": [event.id for event in events],
                "statuses": [str(event.status) for event in events],
                "attempts": [json.dumps(event.attempts) for event in events],
                "due": [event.due_at for event in events],
                "processed": [event.processed_at for event in events],
            },
        )


def _take(tenant_id: UUID, post_ids: Collection[UUID], *, is_first: bool) -> list[Taken]:
    order: dict[str, Any] = {
        "tenant_id": tenant_id,
        "ids": list(post_ids),
        "most": MOST_TAKES,
        "counts": int(is_first),
        "seconds": LEASE_SECONDS,
    }
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(TAKE, order)
        # As they came: ids are made of their time, and RETURNING promises no order.
        rows = sorted(Taken(*row) for row in cursor.fetchall())
    for post in rows:
        if post.status == Post.Status.FAILED:
            log.error("A webhook ended every worker that took it, and is left alone.", post_id=str(post.id))
    return [post for post in rows if post.status != Post.Status.FAILED]


def _told(tenant_id: UUID, posts: Iterable[Taken]) -> tuple[Told, set[UUID]]:
    """What they tell, by whose it is; and those of which that could not be said."""
    apart: list[Apart] = []
    troubled: set[UUID] = set()
    for post in posts:
        with _bounded(post, troubled):
            apart.append((post, sources.get(post.provider_key).taken_apart(post.hook())))
    try:
        return _by_owner(tenant_id, apart), troubled
    except DATABASE_AWAY:
        raise
    except Exception:  # noqa: BLE001  Whose fault it is, is found and told below.
        told: Told = defaultdict(list)
    for each in apart:
        with _bounded(each[0], troubled):
            for whose, events in _by_owner(tenant_id, [each]).items():
                told[whose] += events
    return told, troubled


@contextmanager
def _bounded(post: Taken, troubled: set[UUID]) -> Iterator[None]:
    """The boundary of one body: whatever is wrong with it must not stop the others."""
    try:
        yield
    except DATABASE_AWAY:
        raise
    except Exception:
        log.exception("A webhook could not be taken apart.", post_id=str(post.id))
        troubled.add(post.id)


def _by_owner(tenant_id: UUID, apart: Iterable[Apart]) -> Told:
    told: Told = defaultdict(list)
    for provider_key, alike in groupby(apart, key=lambda each: each[0].provider_key):
        things = [(post, item) for post, items in alike for item in items]
        whose = _owners(tenant_id, provider_key, [item for _, item in things])
        for (post, item), owners in zip(things, whose, strict=True):
            for owner in owners:
                told[owner, provider_key].append(_event(owner, post, item, is_shared=tenant_id == NOBODY))
    return told


def _owners(tenant_id: UUID, provider_key: str, items: Sequence[Item]) -> list[Collection[UUID]]:
    """Of each item those whose it is."""
    if tenant_id != NOBODY:
        return [[tenant_id] for _ in items]
    source = sources.get(provider_key)
    owners = cache(lambda *about: source.owners(*about) or [NOBODY])
    return [
        [sharer] if sharer else owners(item.type, item.phone_number_id, item.waba_id)
        for item, sharer in zip(items, source.sharers(items), strict=True)
    ]


def _event(tenant_id: UUID, post: Taken, item: Item, *, is_shared: bool) -> WebhookEvent:
    event = WebhookEvent(
        tenant_id=tenant_id,
        provider_key=post.provider_key,
        type=item.type,
        key=item.key,
        reference=item.reference,
        payload=item.payload,
        told=dict(item.told),
        post_id=post.id,
        is_shared=is_shared,
        secret=post.secret,
        occurred_at=item.occurred_at,
        received_at=post.received_at,
    )
    if not handling.has_handler(event):
        handling.keep(event)
    return event


def _stored(tenant_id: UUID, provider_key: str, events: Sequence[WebhookEvent]) -> set[UUID]:
    """Store them, one by one where it cannot be done together; returns of which bodies something was not stored."""
    try:
        store(tenant_id, provider_key, events)
    except DATABASE_AWAY:
        raise
    except Exception:
        # The boundary of one event: whatever is wrong with it must not stop the others.
        if len(events) > 1:
            return set().union(*(_stored(tenant_id, provider_key, [event]) for event in events))
        log.exception("A webhook event could not be stored.", post_id=str(events[0].post_id))
        return {events[0].post_id}
    return set()


def _count_again(tenant_id: UUID, provider_key: str, events: Sequence[WebhookEvent]) -> None:
    """One that a body tells which was taken twice is no repeat."""
    if not events:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT_AGAIN,
            {
                "tenant_id": tenant_id,
                "provider_key": provider_key,
                "keys": [bytes(event.key) for event in events],
                "posts": [event.post_id for event in events],
            },
        )
