"""Deliveries are kept for thirty days, and what customers wrote no longer than that."""

from datetime import UTC, datetime, timedelta

from django.db.models.functions import Now

from integrationhub.core.ids import earliest_id
from integrationhub.core.operators import SYSTEM
from integrationhub.outbox.models import Event
from integrationhub.webhooks.telling.models import KEPT, Delivery, Subscription


def forget_old() -> None:
    """Delete what is older, across tenants, and secrets that sign no more. Ids tell when a row was made."""
    before = datetime.now(UTC) - KEPT
    Delivery.objects.using(SYSTEM).filter(id__lt=earliest_id(before)).delete()
    # A day later, so that no delivery is left without what it is to tell.
    written = Event.objects.using(SYSTEM).filter(kind="message.received")
    written.filter(id__lt=earliest_id(before - timedelta(days=1))).delete()
    subscriptions = Subscription.objects.using(SYSTEM)
    subscriptions.filter(previous_until__lt=Now()).update(previous_sealed=b"", previous_until=None)
    subscriptions.filter(older_until__lt=Now()).update(older_sealed=b"", older_until=None)
