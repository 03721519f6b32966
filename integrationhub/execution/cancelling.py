"""Call a queued execution back before a worker takes it, or one that waits for its message or for who comes next."""

from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import awaiting, listing
from integrationhub.execution.errors import in_the_way
from integrationhub.execution.models import Execution, Status
from integrationhub.outbox.models import OutboxMessage, State
from marketplace import quotas


def cancel(*, tenant_id: UUID, execution_id: str, subject: str) -> dict[str, Any]:
    """A queued one sends nothing then, and its unit of the quota goes back. One that waits for its message calls nobody
    else; what was accepted may come. Of this and what a worker does one comes first.

    Raises InvalidRequest: 404 for an unknown execution, 409 for one that is calling a provider or has ended.
    """
    with tenant_scope(tenant_id):
        mine = Execution.objects.for_tenant(tenant_id).filter(pk=listing.one(tenant_id, execution_id).id)
        # Its payload stays for a week, as a failed one's does: it may be retried.
        was_queued = mine.filter(status=Status.QUEUED).update(
            status=Status.CANCELLED, lease_until=None, finished_at=Now()
        )
        has_waited = not was_queued and awaiting.call_off(mine.get())
        execution = mine.get()
        if not (was_queued or has_waited):
            running = execution.status == Status.RUNNING
            words = "It runs already; what it sends cannot be called back." if running else "It has ended already."
            raise in_the_way(execution, words, reason="execution_running" if running else "execution_ended")
        if was_queued and execution.quota_period:
            quotas.release(tenant_id, execution.quota_period)
        messages = OutboxMessage.objects.for_tenant(tenant_id).filter(execution_id=str(execution.id))
        for state in (State.SCHEDULED, State.WAITING):  # One by one, since each has an index of its own.
            messages.filter(state=state).delete()
        trail.record(
            tenant_id=tenant_id, action="execution.cancelled", actor=subject, about=f"execution:{execution.id}"
        )
        return listing.get(tenant_id=tenant_id, execution_id=execution_id)
