"""What became of messages after their providers accepted them: moved on by what the providers tell, never back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from integrationhub.core.ids import earliest_id
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import awaiting
from integrationhub.execution.models import Attempt, Delivery, DeliveryStatus
from integrationhub.outbox import events
from integrationhub.outbox.models import EVENTS_KEPT
from providers.callbacks import Kind

# A kind that is not here says nothing of how far the message came.
STATUSES: Mapping[str, DeliveryStatus] = {
    Kind.ACCEPTED: DeliveryStatus.ACCEPTED,
    Kind.SENT: DeliveryStatus.SENT,
    Kind.DELIVERED: DeliveryStatus.DELIVERED,
    Kind.UNSUBSCRIBED: DeliveryStatus.DELIVERED,
    Kind.COMPLAINED: DeliveryStatus.DELIVERED,
    Kind.READ: DeliveryStatus.READ,
    Kind.OPENED: DeliveryStatus.READ,
    Kind.CLICKED: DeliveryStatus.READ,
    Kind.BOUNCED: DeliveryStatus.FAILED,
    Kind.FAILED: DeliveryStatus.FAILED,
}
# Who clicks a hundred times adds no more.
LONGEST_TIMELINE = 50


@dataclass(frozen=True, slots=True)
class News:
    """One thing that a provider told of a message. `id` is of the webhook event, and makes it this one; empty where the
    provider was asked. `fault` is the code of the error reference where the recipient or the content is at fault.
    `is_told`: the tenant hears of it by another event."""

    id: str
    kind: str
    provider_key: str
    reference: str
    at: datetime
    attempt_id: UUID | None = None
    reason: str = ""
    code: str = ""
    fault: str = ""
    is_told: bool = False

    def about(self) -> dict[str, Any]:
        return {
            "provider_key": self.provider_key,
            "at": moment(self.at),
            "reason": self.reason or None,
            "code": self.code or None,
            "webhook_id": self.id or None,
        }


def apply(tenant_id: UUID, news: News) -> bool:
    """Note it on the delivery that it is about and tell the tenant; false where there is none, or none yet. What was
    noted before changes nothing."""
    with tenant_scope(tenant_id):
        row = _found(tenant_id, news)
        if row is None:
            return False
        if not any(_is_same(told, news) for told in row.timeline):
            _note(row, news)
            awaiting.settle_row(row)
        return True


def _found(tenant_id: UUID, news: News) -> Delivery | None:
    """By the provider's reference; else by our attempt, whose answer was lost or is not written down yet.

    Who names no reference tells of a message whose answer is written down: two that have none are not the same.
    """
    mine = Delivery.objects.for_tenant(tenant_id).filter(provider_key=news.provider_key)
    if not news.reference:
        by_attempt = mine.filter(id=news.attempt_id) if news.attempt_id else mine.none()
        unnamed: Delivery | None = by_attempt.select_for_update().first()
        return unnamed
    row: Delivery | None = mine.filter(reference=news.reference).select_for_update().first()
    if row is None and news.attempt_id:
        attempts = Attempt.objects.for_tenant(tenant_id).filter(id=news.attempt_id, provider_key=news.provider_key)
        if attempt := attempts.first():
            told = {"execution_id": attempt.execution_id, "reference": news.reference, "tenant_id": tenant_id}
            Delivery.objects.bulk_create(
                [Delivery(id=attempt.id, provider_key=news.provider_key, **told)], ignore_conflicts=True
            )
            row = mine.filter(id=attempt.id).select_for_update().first()
    return row


def _is_same(told: Mapping[str, Any], news: News) -> bool:
    """What was asked has no id: then it is the same if it says the same."""
    return told["type"] == news.kind and (told["webhook_id"] in (None, news.id) or not news.id)


def _note(row: Delivery, news: News) -> None:
    step = {"type": news.kind, **news.about(), "fault": news.fault or None}
    row.timeline = [*row.timeline, step][-LONGEST_TIMELINE:]
    status = STATUSES.get(news.kind)
    if status and DeliveryStatus.rank(status) > DeliveryStatus.rank(row.status):
        row.status = status
    row.updated_at = datetime.now(UTC)
    row.save(update_fields=["timeline", "status", "updated_at"])
    if not news.is_told:
        told = {"execution_id": str(row.execution_id), "reference": row.reference, "status": row.status}
        events.publish_if_wanted(tenant_id=row.tenant_id, kind=news.kind, **told, **news.about())


def shown(tenant_id: UUID, execution_id: UUID) -> dict[str, Any] | None:
    """How far the message of an execution came, by whichever provider, and all that was told of it; None where nobody
    tells. Inside the caller's `tenant_scope`."""
    rows = list(Delivery.objects.for_tenant(tenant_id).filter(execution_id=execution_id).order_by("id"))
    if not rows:
        return None
    furthest = max(rows, key=lambda row: DeliveryStatus.rank(row.status))
    timeline = [told for row in rows for told in row.timeline]
    return {
        "status": furthest.status,
        "provider_key": furthest.provider_key,
        "reference": furthest.reference,
        "updated_at": moment(max(row.updated_at for row in rows)),
        "timeline": sorted(timeline, key=lambda told: str(told["at"])),
    }


def forget_old() -> None:
    """Delete those of all tenants that are as old as the oldest events. Ids tell when a row was made."""
    before = earliest_id(datetime.now(UTC) - EVENTS_KEPT)
    Delivery.objects.using("system").filter(id__lt=before).delete()
