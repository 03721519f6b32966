"""Webhooks are kept for thirty days."""

from datetime import UTC, datetime

from integrationhub.core.ids import earliest_id
from integrationhub.webhooks.models import KEPT, Post, RefusedPost, WebhookEvent


def forget_old() -> None:
    """Delete what is older, across tenants. Ids tell when a row was made."""
    before = earliest_id(datetime.now(UTC) - KEPT)
    for model in (Post, WebhookEvent, RefusedPost):
        model.objects.using("system").filter(id__lt=before).delete()
