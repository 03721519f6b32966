"""What is kept of customers ends after `WHATSAPP_KEPT_DAYS`: deliveries, windows that nobody used since, files."""

import logging
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from integrationhub.core import object_store
from integrationhub.core.deadline import Deadline
from integrationhub.core.ids import earliest_id
from integrationhub.core.object_store import StoreFailed
from integrationhub.core.operators import SYSTEM
from whatsapp.models import Conversation, Delivery, Medium, MediumState

logger = logging.getLogger(__name__)

# Of one run: below the soft limit of a task. What is left, the next one deletes.
SECONDS = 40.0
ROWS_AT_ONCE = 1000


def forget_old() -> None:
    """Delete what is older, across tenants, in batches. Ids tell when a row was made."""
    before, deadline = datetime.now(UTC) - timedelta(days=settings.WHATSAPP_KEPT_DAYS), Deadline.after(SECONDS)
    _forget(Delivery.objects.using(SYSTEM).filter(id__lt=earliest_id(before)), deadline)
    _forget(Conversation.objects.using(SYSTEM).filter(last_message_at__lt=before), deadline)
    _forget_files(Medium.objects.using(SYSTEM).filter(id__lt=earliest_id(before)), deadline)


def _forget(rows: QuerySet, deadline: Deadline) -> None:
    while deadline.remaining():
        batch = list(rows.values_list("id", flat=True)[:ROWS_AT_ONCE])
        rows.filter(id__in=batch).delete()
        if len(batch) < ROWS_AT_ONCE:
            return


def _forget_files(rows: QuerySet[Medium], deadline: Deadline) -> None:
    """The object first: a row that is gone would leave it for ever. Without a store only rows that have none."""
    if not object_store.is_configured():
        _forget(rows.exclude(state=MediumState.STORED), deadline)
        return
    for medium in rows.order_by("id")[:ROWS_AT_ONCE]:
        if not deadline.remaining():
            return
        try:
            object_store.delete(medium.key)
        except StoreFailed as error:
            logger.warning("Old files could not be deleted.", extra={"reason": error.reason})
            return
        rows.filter(id=medium.id).delete()
