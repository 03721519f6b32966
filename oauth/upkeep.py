"""What keeps connections working without anybody asking: refreshes ahead of the end, revocations still due, and word of
grants that only their owner can renew."""

import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Now

from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import posting
from oauth import connections, refreshing
from oauth.models import Connection, ConnectSession, Flow
from oauth.telling import tell

logger = logging.getLogger(__name__)

BATCH = 500
SECONDS = 15
# What was asked for and not done by then, as when its worker died, is asked for again.
AGAIN_AFTER = timedelta(minutes=10)
DAY = timedelta(days=1)
TOLD_AT = (1, 3, 7)
FLOWS_KEPT = timedelta(days=1)


def ask_for_what_is_due() -> int:
    """Post one task for each connection whose refresh or revocation is due, across tenants; returns how many.

    However many processes do this at once, each is posted once.
    """
    asked = 0
    for tenant_id, connection_id in _due(Q(refresh_at__lte=Now())):
        try:
            asked += _ask_once(tenant_id, connection_id)
        except DatabaseError:
            # The boundary of one row: the next run finds it, and the others go on.
            logger.exception("A refresh could not be asked for.", extra={"connection_id": str(connection_id)})
    return asked


def attend_to(*, tenant_id: UUID, connection_id: UUID, token_version: int) -> None:
    """Refresh a connection, unless it has been refreshed since it was asked for; or revoke it, where that is due."""
    with tenant_scope(tenant_id):
        connection = Connection.objects.for_tenant(tenant_id).filter(id=connection_id).first()
    if connection is None or connection.token_version != token_version or not connection.sealed:
        return
    try:
        if connection.status == Connection.Status.REVOKED:
            connections.revoke_again(connection)
        elif not connection.can_be_refreshed:
            refreshing.let_be(connection)
        else:
            refreshing.refreshed(
                tenant_id=tenant_id, connection_id=connection_id, deadline=Deadline.after(SECONDS), is_forced=True
            )
    except HubError as error:
        # It stands in the row, or will be tried again; there is nobody to tell it to.
        logger.warning(
            "A connection could not be attended to.",
            extra={
                "connection_id": str(connection_id),
                "code": error.entry.code,
                "words": error.message,
            },
        )


def tell_of_ends(now: datetime | None = None) -> int:
    """Write the event `connection.expiring` for grants that end within days, once for each of `TOLD_AT`, and
    `connection.broken` for those that have ended; returns how many."""
    now = now or datetime.now(UTC)
    due = Q()
    for days in TOLD_AT:
        due |= Q(grant_expires_at__lte=now + days * DAY) & _untold(days)
    told = 0
    for tenant_id, connection_id in _due(Q(status=Connection.Status.ACTIVE) & (due | Q(grant_expires_at__lte=now))):
        try:
            told += _tell_once(tenant_id, connection_id, now)
        except DatabaseError:
            logger.exception("The end of a grant could not be told.", extra={"connection_id": str(connection_id)})
    return told


def forget_old_flows() -> None:
    """Delete the starts and links of all tenants that ended a day ago."""
    for model in (Flow, ConnectSession):
        model.objects.using("system").filter(expires_at__lt=Now() - FLOWS_KEPT).delete()


def _due(condition: Q) -> Iterator[tuple[UUID, UUID]]:
    after = UUID(int=0)
    while True:
        rows = Connection.objects.using("system").filter(condition, id__gt=after).order_by("id")
        found = list(rows.values_list("tenant_id", "id")[:BATCH])
        yield from found
        if len(found) < BATCH:
            return
        _, after = found[-1]


def _ask_once(tenant_id: UUID, connection_id: UUID) -> bool:
    """By the one that moves the time on."""
    with tenant_scope(tenant_id):
        rows = Connection.objects.for_tenant(tenant_id).filter(id=connection_id, refresh_at__lte=Now())
        if not rows.update(refresh_at=Now() + AGAIN_AFTER):
            return False
        version = Connection.objects.for_tenant(tenant_id).values_list("token_version", flat=True).get(id=connection_id)
        posting.post(
            tenant_id=tenant_id,
            task="oauth.tasks.attend_to_connection",
            queue="maint",
            connection_id=str(connection_id),
            token_version=version,
        )
        return True


def _untold(days: int) -> Q:
    return Q(expiry_told=None) | Q(expiry_told__gt=days)


def _tell_once(tenant_id: UUID, connection_id: UUID, now: datetime) -> bool:
    with tenant_scope(tenant_id):
        rows = Connection.objects.for_tenant(tenant_id).filter(id=connection_id, status=Connection.Status.ACTIVE)
        connection = rows.first()
        if connection is None or connection.grant_expires_at is None:
            return False
        if connection.grant_expires_at <= now:
            refreshing.give_up(connection, "expired")
            return True
        step = next((days for days in TOLD_AT if connection.grant_expires_at <= now + days * DAY), None)
        if step is None or not rows.filter(_untold(step)).update(expiry_told=step):
            return False
        tell(
            connection,
            "connection.expiring",
            expires_at=moment(connection.grant_expires_at),
            days_left=math.ceil((connection.grant_expires_at - now) / DAY),
        )
        return True
