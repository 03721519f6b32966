"""What an event sets off. The function and the word that it did stand in one transaction: each effect is had once."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from integrationhub.core.errors import HubError
from integrationhub.core.ids import read_id
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import deliveries
from integrationhub.outbox import events as outbox_events
from integrationhub.webhooks import following, meta
from integrationhub.webhooks.models import NOBODY, WebhookEvent
from providers.callbacks import Kind
from templates import events as template_events
from whatsapp import accounts, inbound
from whatsapp.errors import Unreadable

log = structlog.get_logger(__name__)

# Takes events of one tenant and type, in their order, and returns the ids of those that are about something of ours.
# It runs in the tenant's scope, calls no network, and may be run for the same events again.
Handler = Callable[[Sequence[WebhookEvent]], Collection[UUID]]
# Takes one event, the provider's name of the field and its value, which holds one thing that is always ours.
OneHandler = Callable[[WebhookEvent, str, Mapping[str, Any]], None]


def one_by_one(handle: OneHandler) -> Handler:
    """A handler of many, made of one that takes each by itself."""

    def handle_each(events: Sequence[WebhookEvent]) -> list[UUID]:
        for event in events:
            handle(event, *meta.said_of(event.payload))
        return [event.id for event in events]

    return handle_each


def _of_templates(event: WebhookEvent, field: str, value: Mapping[str, Any]) -> None:
    template_events.apply(event.tenant_id, field, value, at=event.occurred_at or event.received_at)


# By provider and type of event. What has no line here is kept and shown.
HANDLERS: Mapping[tuple[str, str], Handler] = {
    (accounts.KEY, "message"): one_by_one(lambda event, _, value: inbound.handle_messages(event.tenant_id, value)),
    (accounts.KEY, "status"): following.handle_statuses,
    (accounts.KEY, "call"): one_by_one(lambda event, _, value: inbound.handle_calls(event.tenant_id, value)),
    **{(accounts.KEY, field): one_by_one(_of_templates) for field in template_events.FIELDS},
}

# What the adapters of all other providers read of messages.
KINDS = frozenset(kind.value for kind in Kind)
# A message that nobody here has sent is looked for again after two seconds, four, eight and so on.
FIRST_LOOK, LOOKED_FOR = timedelta(seconds=2), timedelta(seconds=60)

MOST_TRIES = 5
FIRST_PAUSE = timedelta(seconds=10)
MOST_ATTEMPTS_SHOWN = 20
NEVER = datetime.min.replace(tzinfo=UTC)


class NotKnownYet(Exception):
    """It is about a message that may be one of ours, and whose answer is not written down."""


def in_order(events: Iterable[WebhookEvent]) -> list[WebhookEvent]:
    """By what they change, so that of two workers none waits for the other in a circle; of the same thing the older
    first, as far as the provider tells, and of the same second what was told first."""
    return sorted(events, key=lambda event: (*_subject_of(event), event.occurred_at or NEVER, event.id))


def _subject_of(event: WebhookEvent) -> tuple[str, str]:
    if event.provider_key == accounts.KEY:
        return event.type, meta.subject_of(event.payload)
    return "", event.reference


def has_handler(event: WebhookEvent) -> bool:
    if event.provider_key != accounts.KEY:
        return event.type in KINDS
    return (event.provider_key, event.type) in HANDLERS and _is_heard(event)


def _is_heard(event: WebhookEvent) -> bool:
    """Of nobody's only what is told of the deployment's number: a customer of all who send by it. And of that number,
    whose windows are all tenants', an app of a tenant's own tells nothing: it signs what its owner likes."""
    number = meta.number_of(event.payload)
    if not accounts.is_deployments(number):
        return event.tenant_id != NOBODY
    return event.is_shared or accounts.tenant_of_phone_number(number) == event.tenant_id


def keep(event: WebhookEvent) -> None:
    """It waits for nothing: nobody handles such events, or nobody owns it."""
    _conclude(event, WebhookEvent.Status.KEPT)


def handle_all(events: Sequence[WebhookEvent]) -> None:
    """`handle` for each, in their order: all under one savepoint, or where one of them fails, each under its own."""
    heard = [event for event in events if has_handler(event)]
    try:
        with transaction.atomic():
            ours = _ours(heard)
    except Exception:  # noqa: BLE001  Whose it is, and what, is found and told below.
        for event in events:
            handle(event)
        return
    for event in events:
        _conclude(event, WebhookEvent.Status.PROCESSED if event.id in ours else WebhookEvent.Status.KEPT)


def handle(event: WebhookEvent) -> None:
    """Run its handler, inside the tenant's scope, and note on the row what came of it; the caller saves it.

    Whatever the handler raises is undone, and is this event's alone: it is tried again, five times in all.
    """
    if not has_handler(event):
        keep(event)
        return
    try:
        with transaction.atomic():
            is_ours = bool(_ours([event]))
    except NotKnownYet:
        # The answer to its sending may be on its way to us still.
        event.due_at = datetime.now(UTC) + max(FIRST_LOOK, datetime.now(UTC) - event.received_at)
    except Unreadable as fault:
        # It reads no better another time.
        _conclude(event, WebhookEvent.Status.FAILED, fault.message)
    except Exception as fault:
        # The boundary of one event: whatever is wrong with it must not stop the others.
        log.exception("A webhook event could not be handled.", event_id=str(event.id), type=event.type)
        _conclude(event, WebhookEvent.Status.FAILED, _words(fault))
        tries = _failures_in_a_row(event)
        event.due_at = datetime.now(UTC) + FIRST_PAUSE * 3 ** (tries - 1) if tries < MOST_TRIES else None
    else:
        _conclude(event, WebhookEvent.Status.PROCESSED if is_ours else WebhookEvent.Status.KEPT)


def _ours(events: Iterable[WebhookEvent]) -> set[UUID]:
    """Have the effects of events that have handlers; the ids of those about something of ours. Raises NotKnownYet."""
    ours: set[UUID] = set()
    for (provider_key, kind), alike in groupby(events, key=lambda event: (event.provider_key, event.type)):
        if provider_key == accounts.KEY:
            ours.update(HANDLERS[provider_key, kind](list(alike)))
        else:
            ours.update(event.id for event in alike if _is_ours(event))
    return ours


def _is_ours(event: WebhookEvent) -> bool:
    """Of another provider than Meta."""
    news = _news_of(event)
    if event.type == Kind.RECEIVED:
        told = {"reference": news.reference, **news.about()}
        outbox_events.publish_if_wanted(tenant_id=event.tenant_id, kind=news.kind, **told)
        return True
    if deliveries.apply(event.tenant_id, news):
        return True
    if datetime.now(UTC) - event.received_at < LOOKED_FOR and not event.replays:
        raise NotKnownYet
    return False


def _news_of(event: WebhookEvent) -> deliveries.News:
    return deliveries.News(
        id=str(event.id),
        kind=event.type,
        provider_key=event.provider_key,
        reference=event.reference,
        at=event.occurred_at or event.received_at,
        attempt_id=read_id(event.told.get("attempt_id", "")),
        reason=event.told.get("reason", ""),
        code=event.told.get("code", ""),
        fault=event.told.get("fault", ""),
    )


# What `handle` changes of a row.
CHANGED = ("status", "attempts", "due_at", "processed_at")


def handle_again(tenant_id: UUID, event_ids: Collection[UUID]) -> None:
    """Those that failed or are to be replayed. One that another worker has done meanwhile is left alone."""
    with tenant_scope(tenant_id):
        due = WebhookEvent.objects.for_tenant(tenant_id).filter(id__in=event_ids, due_at__isnull=False)
        for event in in_order(due.select_for_update(skip_locked=True).order_by("id")):
            handle(event)
            event.save(update_fields=CHANGED)


def _conclude(event: WebhookEvent, status: WebhookEvent.Status, error: str = "") -> None:
    now = datetime.now(UTC)
    event.status, event.due_at, event.processed_at = status, None, now
    attempt = {"at": moment(now), "outcome": status.value, "error": error, "is_replay": event.replays > 0}
    event.attempts = [*event.attempts, attempt][-MOST_ATTEMPTS_SHOWN:]


def _failures_in_a_row(event: WebhookEvent) -> int:
    """A replay of one that has failed so often is one try."""
    count = 0
    for attempt in reversed(event.attempts):
        if attempt["outcome"] != WebhookEvent.Status.FAILED:
            break
        count += 1
    return count


def _words(fault: Exception) -> str:
    """An error of ours by its sentence; of another the kind alone, since its text may hold what a person wrote."""
    return fault.message[:300] if isinstance(fault, HubError) else type(fault).__name__
