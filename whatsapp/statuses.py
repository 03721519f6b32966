"""What Meta's statuses make of deliveries: those of many webhooks at once, since a search for each costs the most."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from integrationhub.core import storable
from integrationhub.core.ids import read_id
from providers.meta_codes import meaning_of
from providers.meta_refusals import NOTHING_SAID
from whatsapp import deliveries
from whatsapp.errors import Unreadable
from whatsapp.models import Delivery, DeliveryStatus
from whatsapp.webhook_values import LONGEST_CUSTOMER, id_of, items, member, moment

# Meta tells of these: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
TOLD = frozenset({"sent", "delivered", "read", "played", "failed"})
_LONGEST_WORDS = 500

# Each found by an index: one of Meta's ids, and the primary key.
_LOCK = """
SELECT delivery.* FROM unnest(%(meta_ids)s::text[], %(ours)s::uuid[]) WITH ORDINALITY AS told (meta_id, ours, place)
JOIN whatsapp_delivery AS delivery ON delivery.meta_id = told.meta_id AND delivery.meta_id <> ''
    OR delivery.id = told.ours AND delivery.meta_id = ''
WHERE delivery.tenant_id = %(tenant_id)s
ORDER BY told.place, delivery.id FOR UPDATE OF delivery
"""
# What `_move_on` changes of a row.
_SAVE = """
UPDATE whatsapp_delivery AS delivery
SET meta_id = told.meta_id, user_id = told.user_id, status = told.status, timeline = told.timeline::jsonb,
    error = told.error::jsonb, updated_at = told.updated_at
FROM unnest(%(ids)s::uuid[], %(meta_ids)s::text[], %(user_ids)s::text[], %(statuses)s::text[], %(timelines)s::text[],
    %(errors)s::text[], %(updated)s::timestamptz[])
    AS told (id, meta_id, user_id, status, timeline, error, updated_at)
WHERE delivery.tenant_id = %(tenant_id)s AND delivery.id = told.id
"""


class Status(NamedTuple):
    """One item of `statuses`. `ours` is the id that every message of ours carries."""

    phone_number_id: str
    meta_id: str
    ours: UUID | None
    word: str
    at: datetime
    told: Any


def read(phone_number_id: str, told: Any) -> Status:
    """Raises Unreadable."""
    meta_id, word = id_of(told, "id"), member(told, "status")
    if not isinstance(word, str) or word not in TOLD or not meta_id:
        raise Unreadable("unknown_status")
    ours = read_id(id_of(told, "biz_opaque_callback_data"))
    return Status(phone_number_id, meta_id, ours, word, moment(told), told)


def apply(tenant_id: UUID, statuses: Sequence[Status]) -> Iterator[tuple[int, Delivery]]:
    """Move deliveries on, those of one message in this order. Of each status of a message of ours yields its place and
    the delivery as it is then, once that is saved. Inside the caller's `tenant_scope`.

    Which message it is, its id tells, or ours: a status may come before the answer to the sending, and where that
    answer was lost.
    """
    meant = _Meant(_locked(tenant_id, statuses))
    # All messages' first steps, their second ones and so on: the trigger that tells of them sees but a statement's end.
    turns: dict[int, list[tuple[int, Delivery]]] = defaultdict(list)
    steps: Counter[UUID] = Counter()
    for place, status in enumerate(statuses):
        if (row := meant.of(status)) is not None:
            turns[steps[row.id]].append((place, row))
            steps[row.id] += 1
    for turn in turns.values():
        for place, row in turn:
            _move_on(row, statuses[place])
        _save(tenant_id, [row for _, row in turn])
        yield from turn


class _Meant:
    """The rows that statuses may mean, locked."""

    def __init__(self, rows: Sequence[Delivery]) -> None:
        self._named = {(row.phone_number_id, row.meta_id): row for row in rows if row.meta_id}
        self._unnamed = {(row.phone_number_id, row.id): row for row in rows if not row.meta_id}

    def of(self, status: Status) -> Delivery | None:
        """One has Meta's id, and another may be ours that has none yet: the one that has it is meant."""
        name = status.phone_number_id, status.meta_id
        if name not in self._named and status.ours:
            unnamed = self._unnamed.pop((status.phone_number_id, status.ours), None)
            if unnamed:
                self._named[name] = unnamed
        return self._named.get(name)


def _locked(tenant_id: UUID, statuses: Sequence[Status]) -> list[Delivery]:
    """In the order of the statuses, in which who handles them one by one locks too: of two workers none waits for the
    other in a circle."""
    values = {
        "tenant_id": tenant_id,
        "meta_ids": [status.meta_id for status in statuses],
        "ours": [status.ours for status in statuses],
    }
    return list({row.id: row for row in Delivery.objects.raw(_LOCK, values)}.values())


def _move_on(row: Delivery, status: Status) -> None:
    row.meta_id = status.meta_id
    row.user_id = row.user_id or id_of(status.told, "recipient_user_id", LONGEST_CUSTOMER)
    if status.word == DeliveryStatus.FAILED:
        row.error = _told_error(status.told)
    deliveries.move(row, status.word, status.at)


def _save(tenant_id: UUID, rows: Sequence[Delivery]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _SAVE,
            {
                "tenant_id": tenant_id,
                "ids": [row.id for row in rows],
                "meta_ids": [row.meta_id for row in rows],
                "user_ids": [row.user_id for row in rows],
                "statuses": [str(row.status) for row in rows],
                "timelines": [json.dumps(row.timeline) for row in rows],
                "errors": [None if row.error is None else json.dumps(row.error) for row in rows],
                "updated": [row.updated_at for row in rows],
            },
        )


def _told_error(told: Any) -> dict[str, Any]:
    """The first error of a failed status; what Meta leaves out, or writes otherwise than it says, is left out here."""
    error = next(iter(items(told, "errors")), None)
    code = member(error, "code")
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    words = [member(error, name) for name in ("title", "message")]
    explained = member(member(error, "error_data"), "details")
    details = explained if isinstance(explained, str) else ""
    said = next((word for word in words if isinstance(word, str) and word), "Meta could not deliver the message.")
    meaning = meaning_of(code, 400, details=details)
    return {
        "code": meaning.entry.code,
        "message": storable.text(said, _LONGEST_WORDS),
        "details": {"meta": {**NOTHING_SAID, "code": code, "details": storable.text(details, _LONGEST_WORDS)}},
        "retryable": False,
        "retry_after": None,
    }
