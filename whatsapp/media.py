"""The rows of media: noted with the message that brought them, taken up by one at a time, stored or tried again.

A row that is due is the job: a message to a worker may be lost, and the next tick posts another.
"""

import logging
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.db.models import F, Q
from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core import object_store, storable
from integrationhub.core.errors import HubError
from integrationhub.core.ids import new_id
from integrationhub.core.operators import SYSTEM
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from integrationhub.outbox import posting
from providers.meta_graph import Content, hexadecimal
from whatsapp.errors import MediaDownloadFailed
from whatsapp.models import Medium, MediumState
from whatsapp.webhook_values import LONGEST_ID, id_of, member

logger = logging.getLogger(__name__)

# What `messages` of these types carry under the name of the type.
# https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
KINDS = ("image", "video", "audio", "voice", "document", "sticker")
LONGEST_MEDIA_ID = 100
# A customer's name for a file is one of no folder, and of one line.
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f]")
BATCH = 200
# Longer than an attempt may take.
LEASE = timedelta(seconds=90)
# A task that was posted and not taken up by then is posted again.
AGAIN_AFTER = timedelta(minutes=10)
# Half a minute, then twice as long each time: five attempts in eight minutes, the last after 17 hours. Meta keeps the
# file for seven days, in which an operator may have it fetched again.
FIRST_PAUSE_SECONDS, MOST_ATTEMPTS = 30, 12


def note(*, tenant_id: UUID, phone_number_id: str, message: Any) -> bool:
    """Have the file of a customer's message fetched; inside the `tenant_scope` of the message. Whether it has one.

    Told twice, it is fetched once. Without a store the row waits for who asks for it.
    """
    kind = member(message, "type")
    told = member(message, kind) if kind in KINDS else None
    media_id = id_of(told, "id", LONGEST_MEDIA_ID)
    if not media_id:
        return False
    row = Medium(
        id=new_id(),
        tenant_id=tenant_id,
        media_id=media_id,
        phone_number_id=phone_number_id,
        message_id=id_of(message, "id", LONGEST_ID),
        kind=kind,
        content_type=_text(told, "mime_type", 127),
        filename=_FORBIDDEN.sub("_", _text(told, "filename", 255)),
        sha256=hexadecimal(_text(told, "sha256", 100)),
    )
    Medium.objects.bulk_create([row], ignore_conflicts=True)
    unasked = _of(tenant_id).filter(id=row.id)
    if object_store.is_configured() and unasked.update(due_at=Now() + AGAIN_AFTER):
        _post(tenant_id, row.id, after=0)
    return True


def find(*, tenant_id: UUID, media_id: str) -> Medium | None:
    with tenant_scope(tenant_id):
        row: Medium | None = _of(tenant_id).filter(media_id=media_id).first()
    return row


def known(*, tenant_id: UUID, media_id: str, phone_number_id: str) -> Medium:
    """The row of a file that the tenant asks for by its id; it is made where there is none."""
    with tenant_scope(tenant_id):
        row = Medium(id=new_id(), tenant_id=tenant_id, media_id=media_id, phone_number_id=phone_number_id)
        Medium.objects.bulk_create([row], ignore_conflicts=True)
        found: Medium = _of(tenant_id).get(media_id=media_id)
    return found


def take(*, tenant_id: UUID, medium_id: UUID, after: int | None = None) -> Medium | None:
    """Begin an attempt. None where another is at it, or it is stored; for a worker, who was asked `after` so many
    attempts, also where there was one since, or where none is left."""
    with tenant_scope(tenant_id):
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        waiting = _of(tenant_id).filter(free, id=medium_id).exclude(state=MediumState.STORED)
        if after is not None:
            waiting = waiting.filter(attempts=after)
            if _is_given_up(waiting):
                logger.error("A customer's file ended its worker, and is left alone.", extra={"medium_id": medium_id})
                return None
        lease_ends = Now() + LEASE
        counted = {"attempts": F("attempts") + 1, **({"retries": F("retries") + 1} if after is not None else {})}
        if not waiting.update(lease_until=lease_ends, updated_at=Now(), **counted):
            return None
        # A worker that dies at it is followed by another.
        _of(tenant_id).filter(id=medium_id, due_at__isnull=False).update(due_at=lease_ends)
        taken: Medium = _of(tenant_id).get(id=medium_id)
    return taken


def _is_given_up(waiting: TenantQuerySet) -> bool:
    """Whoever fails says so, and asks for no more than `MOST_ATTEMPTS`: this one's last attempt ended its worker."""
    error = MediaDownloadFailed(f"The last of {MOST_ATTEMPTS} attempts ended its worker.", reason="ended_its_worker")
    given_up = {"state": MediumState.FAILED, "error": _told(error), "due_at": None, "lease_until": None}
    return bool(waiting.filter(retries__gte=MOST_ATTEMPTS).update(**given_up, updated_at=Now()))


def stored(medium: Medium, *, content: Content, content_type: str) -> Medium:
    """It is in the store, whole: whoever else was at it has stored the same."""
    with tenant_scope(medium.tenant_id):
        _of(medium.tenant_id).filter(id=medium.id).exclude(state=MediumState.STORED).update(
            state=MediumState.STORED,
            sha256=content.sha256,
            size=content.size,
            content_type=storable.text(content_type, 127),
            error=None,
            due_at=None,
            lease_until=None,
            stored_at=Now(),
            updated_at=Now(),
        )
        row: Medium = _of(medium.tenant_id).get(id=medium.id)
    return row


def failed(medium: Medium, error: HubError) -> None:
    """This attempt has failed. What a message brought is tried again by workers, up to `MOST_ATTEMPTS` of theirs,
    unless it is the file's own fault."""
    with tenant_scope(medium.tenant_id):
        mine = _of(medium.tenant_id).filter(id=medium.id, attempts=medium.attempts).exclude(state=MediumState.STORED)
        row = mine.select_for_update().first()
        if row is None:
            return
        is_final = isinstance(error, MediaDownloadFailed) and error.is_final
        goes_on = row.due_at is not None and not is_final and row.retries < MOST_ATTEMPTS
        mine.update(
            state=MediumState.PENDING if goes_on else MediumState.FAILED,
            error=_told(error),
            due_at=Now() + pause(row.retries) if goes_on else None,
            lease_until=None,
            updated_at=Now(),
        )


def _told(error: HubError) -> Any:
    """As `Medium.error` has it."""
    return storable.json_value({"code": error.entry.code, "message": error.message, "details": error.details})


def pause(retries: int) -> timedelta:
    """How long after so many attempts of workers the next one is."""
    return timedelta(seconds=FIRST_PAUSE_SECONDS * 2 ** max(0, retries - 1))


def ask_for_what_is_due() -> int:
    """Post one task for each file that is due, across tenants; returns how many. However many processes do this at
    once, each is posted once."""
    rows = Medium.objects.using(SYSTEM).filter(due_at__lte=Now()).order_by("due_at")
    asked = 0
    for tenant_id, medium_id in rows.values_list("tenant_id", "id")[:BATCH]:
        try:
            asked += _ask_once(tenant_id, medium_id)
        except DatabaseError:
            # The boundary of one row: the next run finds it, and the others go on.
            logger.exception("A file could not be asked for.", extra={"medium_id": str(medium_id)})
    return asked


def ask_again(*, tenant_id: UUID, medium_id: UUID, subject: str) -> bool:
    """Have a worker fetch a file anew, with all of its attempts, because `subject` wants it. False where it is stored.

    What a worker is at is left to it.
    """
    with tenant_scope(tenant_id):
        missing = _of(tenant_id).filter(id=medium_id).exclude(state=MediumState.STORED)
        if not missing.update(
            state=MediumState.PENDING, attempts=0, retries=0, due_at=Now() + AGAIN_AFTER, updated_at=Now()
        ):
            return False
        _post(tenant_id, medium_id, after=0)
        trail.record(tenant_id=tenant_id, action="media.fetch_asked", actor=subject, about=f"medium:{medium_id}")
    return True


def _ask_once(tenant_id: UUID, medium_id: UUID) -> bool:
    """By the one that moves the time on."""
    with tenant_scope(tenant_id):
        if not _of(tenant_id).filter(id=medium_id, due_at__lte=Now()).update(due_at=Now() + AGAIN_AFTER):
            return False
        attempts = _of(tenant_id).values_list("attempts", flat=True).get(id=medium_id)
        _post(tenant_id, medium_id, after=attempts)
        return True


def _post(tenant_id: UUID, medium_id: UUID, *, after: int) -> None:
    """For the attempt that follows so many."""
    posting.post(
        tenant_id=tenant_id,
        task="whatsapp.tasks.fetch_medium",
        queue="maint",
        medium_id=str(medium_id),
        after=after,
    )


def _of(tenant_id: UUID) -> TenantQuerySet:
    rows: TenantQuerySet = Medium.objects.for_tenant(tenant_id)
    return rows


def _text(told: Any, name: str, longest: int) -> str:
    found = member(told, name)
    return storable.text(found, longest) if isinstance(found, str) else ""
