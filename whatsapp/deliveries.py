"""What became of a message: written before Meta is called, moved on by its answer and by its webhooks, never back."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from integrationhub.core import storable
from integrationhub.core.ids import new_id, read_id
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import TenantQuerySet, call_in_scope, tenant_scope
from integrationhub.idempotency import answers
from marketplace import quotas
from providers.errors import Ambiguous, ProviderError
from providers.meta_graph import Sent
from whatsapp.errors import DeliveryNotFound, outcome_unknown, recorded
from whatsapp.models import Delivery, DeliveryStatus
from whatsapp.webhook_values import LONGEST_CUSTOMER, LONGEST_ID

# A failure ends what was accepted or sent, and a late `sent` does not undo it; what has reached the customer did not
# fail, whichever of the two is heard of first. So the last status is the same in whatever order they come.
_RANK = {status: rank for rank, status in enumerate(DeliveryStatus.values)}


class KeyTaken(Exception):
    """Another request took the Idempotency-Key between our look and our claim."""


def begin(delivery: Delivery, key: answers.Key | None, *, is_counted: bool) -> None:
    """Commit the row, a unit of the quota if it `is_counted`, and the claim on the key: all of it, or nothing.

    Raises QuotaExceeded or KeyTaken.
    """
    tenant_id = delivery.tenant_id
    with tenant_scope(tenant_id):
        if key:
            claim = answers.claiming(key, claim_id=new_id(), execution_id=delivery.id)
            [(is_taken,)] = call_in_scope(tenant_id, answers.CLAIM, claim)
            if not is_taken:
                raise KeyTaken
        if is_counted:
            quotas.reserve(tenant_id, quotas.period_of(datetime.now(UTC)))
        delivery.save(force_insert=True)


def accepted(delivery: Delivery, sent: Sent) -> Delivery:
    """Meta has taken it. A webhook may have told more of it already: what the answer leaves out stands."""
    with tenant_scope(delivery.tenant_id):
        row = _locked(delivery.tenant_id, id=delivery.id)
        row.meta_id = sent.message_id[:LONGEST_ID]
        row.wa_id = sent.wa_id[:64] or row.wa_id
        row.user_id = sent.user_id[:LONGEST_CUSTOMER] or row.user_id
        row.meta_status = sent.status[:64]
        move(row, DeliveryStatus.ACCEPTED, datetime.now(UTC))
        row.save()
    return row


def refused(delivery: Delivery, error: ProviderError) -> Delivery:
    """Meta has not taken it, or nobody knows: then it stays `unknown`, until a webhook tells."""
    with tenant_scope(delivery.tenant_id):
        row = _locked(delivery.tenant_id, id=delivery.id)
        if row.status == DeliveryStatus.UNKNOWN:
            row.error = failure(error)
            if not isinstance(error, Ambiguous):
                move(row, DeliveryStatus.FAILED, datetime.now(UTC))
            row.save()
    return row


def failure(error: ProviderError) -> Any:
    """As `Delivery.error` has it."""
    return storable.json_value(outcome_unknown(error) if isinstance(error, Ambiguous) else recorded(error))


def get(*, tenant_id: UUID, message_id: str) -> Delivery:
    """By our id or Meta's. Raises DeliveryNotFound, alike for another tenant's and for what nobody has."""
    ours = read_id(message_id)
    is_metas = 0 < len(message_id) <= LONGEST_ID and message_id.isascii() and message_id.isprintable()
    named = {"id": ours} if ours else {"meta_id": message_id}
    with tenant_scope(tenant_id):
        mine = Delivery.objects.for_tenant(tenant_id)
        row: Delivery | None = mine.filter(**named).first() if is_metas else None
    if row is None:
        raise DeliveryNotFound
    return row


def matching(*, tenant_id: UUID, **wanted: Any) -> TenantQuerySet:
    """The tenant's deliveries, filtered by what is not None; inside the caller's `tenant_scope`."""
    lookups = {"to": "recipient", "created_after": "created_at__gte", "created_before": "created_at__lt"}
    filters = {lookups.get(name, name): value for name, value in wanted.items() if value is not None}
    return Delivery.objects.for_tenant(tenant_id).filter(**filters)


def is_news(now: str, told: str) -> bool:
    """Whether a delivery of status `now` moves on to what is `told`."""
    return _RANK[told] > _RANK[now]


def move(row: Delivery, status: str, at: datetime) -> None:
    """The caller saves it. What comes late fills its own time, and no more; of what comes twice the earlier stands."""
    said = moment(at)
    row.timeline = {**row.timeline, status: min(said, row.timeline.get(status, said))}
    if is_news(row.status, status):
        row.status = status
    if row.status not in (DeliveryStatus.UNKNOWN, DeliveryStatus.FAILED):
        row.error = None
    row.updated_at = datetime.now(UTC)


def _locked(tenant_id: UUID, **named: Any) -> Delivery:
    row: Delivery = Delivery.objects.for_tenant(tenant_id).select_for_update().get(**named)
    return row
