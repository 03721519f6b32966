"""Deliveries are kept for thirty days, and what customers wrote no longer than that."""

from datetime import UTC, datetime

from django.db.models.functions import Now

from integrationhub.core.ids import earliest_id
from integrationhub.core.operators import SYSTEM
from integrationhub.outbox.models import Event
from integrationhub.webhooks.telling.models import KEPT, Delivery, Subscription


def forget_old() -> None:
    """Delete what is older, across tenants, and secrets that sign no more. Ids tell when a row was made."""
    before = earliest_id(datetime.now(UTC) - KEPT)
    Delivery.objects.using(SYSTEM).filter(id__lt=before).delete()
    Event.objects.using(SYSTEM).filter(id__lt=before, kind="message.received").delete()
    rotated = Subscription.objects.using(SYSTEM).filter(previous_until__lt=Now())
    rotated.update(previous_sealed=b"", previous_until=None)
