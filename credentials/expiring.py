"""The end of a credential's life, told ahead and once it has come."""

import logging
import math
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Q

from credentials.models import Credential
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import events

logger = logging.getLogger(__name__)

# In days before the end; at 0 it has come.
TOLD_AT = (0, 1, 7, 14)
BATCH = 500
DAY = timedelta(days=1)


def tell(now: datetime | None = None) -> int:
    """Write the events that are due by now, across tenants; returns how many.

    Each credential in use is told of once at each of `TOLD_AT`, however many processes do this at once: of several that
    have passed unseen, the last.
    """
    now, told, after = now or datetime.now(UTC), 0, None
    while found := _due(now, after):
        told += sum(_tell(tenant_id, credential_id, now) for tenant_id, credential_id in found)
        _, after = found[-1]
    return told


def _due(now: datetime, after: UUID | None) -> list[tuple[UUID, UUID]]:
    rows = Credential.objects.using("system").filter(_at_any_step(now), status=Credential.Status.ACTIVE)
    rows = rows.filter(id__gt=after) if after else rows
    return list(rows.order_by("id").values_list("tenant_id", "id")[:BATCH])


def _at_any_step(now: datetime) -> Q:
    due = Q()
    for days in TOLD_AT:
        due |= Q(expires_at__lte=now + days * DAY) & _untold(days)
    return due


def _untold(days: int) -> Q:
    return Q(expiry_told=None) | Q(expiry_told__gt=days)


def _tell(tenant_id: UUID, credential_id: UUID, now: datetime) -> bool:
    try:
        return _tell_once(tenant_id, credential_id, now)
    except DatabaseError:
        # The boundary of one row, as one that is locked just now: the next run finds it, and the others go on.
        logger.exception("The expiry of a credential could not be told.", extra={"credential_id": str(credential_id)})
        return False


def _tell_once(tenant_id: UUID, credential_id: UUID, now: datetime) -> bool:
    """By the one that finds the row untold."""
    with tenant_scope(tenant_id):
        rows = Credential.objects.for_tenant(tenant_id).filter(id=credential_id, status=Credential.Status.ACTIVE)
        credential = rows.first()
        if credential is None or credential.expires_at is None:
            return False
        step = next(days for days in TOLD_AT if credential.expires_at <= now + days * DAY)
        if not rows.filter(_untold(step)).update(expiry_told=step):
            return False
        days_left = {"days_left": math.ceil((credential.expires_at - now) / DAY)} if step else {}
        events.publish(
            tenant_id=tenant_id,
            kind="credential.expiring" if step else "credential.expired",
            credential_id=str(credential.id),
            provider_key=credential.provider_key,
            version=credential.version,
            expires_at=moment(credential.expires_at),
            **days_left,
        )
        return True
