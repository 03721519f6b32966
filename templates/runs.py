"""The rows of syncs: asked for, taken up by one worker, told of page by page, and over."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Now

from integrationhub.audit import trail
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.core.ids import new_id, read_id
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from integrationhub.outbox import events, posting
from templates.errors import WhatsappSyncFailed
from templates.models import MessageTemplate, SyncRun
from templates.swapping import Swapped

State = SyncRun.State
LIVE = (State.QUEUED, State.RUNNING)
# A page takes seconds; who says nothing for so long is gone, and so is a message that nobody took up.
LEASE = timedelta(seconds=90)
LONGEST_IN_QUEUE = timedelta(minutes=10)
KEPT = timedelta(days=30)
MOST_MOVES_TOLD = 100
MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do a run, as long as no other has taken it over."""

    tenant_id: UUID
    run_id: UUID
    lease_id: UUID
    begun_at: datetime

    def rows(self) -> TenantQuerySet:
        """The run, while it is this one's. Evaluate it inside the tenant's scope."""
        return of_tenant(self.tenant_id).filter(id=self.run_id, lease_id=self.lease_id, state=State.RUNNING)


def of_tenant(tenant_id: UUID) -> TenantQuerySet:
    rows: TenantQuerySet = SyncRun.objects.for_tenant(tenant_id)
    return rows


def get(*, tenant_id: UUID, run_id: str) -> SyncRun:
    """Raises InvalidRequest (404)."""
    with tenant_scope(tenant_id):
        run: SyncRun | None = of_tenant(tenant_id).filter(id=read_id(run_id)).first()
    if run is None:
        raise InvalidRequest(f"There is no sync '{run_id[:64]}'.", status=404, reason="not_found")
    return run


def last_success(tenant_id: UUID) -> datetime | None:
    """When the tenant's templates were last known to be Meta's, inside the caller's `tenant_scope`."""
    rows = of_tenant(tenant_id).filter(state=State.SUCCEEDED).order_by("-id")
    moment: datetime | None = rows.values_list("finished_at", flat=True).first()
    return moment


def last_reading(tenant_id: UUID) -> datetime | None:
    """When the last listing that was read to its end was begun, inside the caller's `tenant_scope`."""
    rows = of_tenant(tenant_id).filter(state=State.SUCCEEDED).order_by("-id")
    moment: datetime | None = rows.values_list("started_at", flat=True).first()
    return moment


def ask(*, tenant_id: UUID, subject: str = "", is_posted: bool = True) -> SyncRun:
    """The tenant's run that is not over yet, else a new one: for a worker, or for the caller if it is not posted.

    However many ask at once, there is one. `subject` is who asked, for the trail; nobody, where the hub did. Raises
    WhatsappSyncFailed.
    """
    mine = SyncRun(id=new_id(), tenant_id=tenant_id)
    with tenant_scope(tenant_id):
        _give_up_lost(tenant_id)
        _forget_old(tenant_id)
        run = _live(tenant_id, mine)
        if run.id != mine.id:
            return run
        if is_posted:
            posting.post(tenant_id=tenant_id, task="templates.tasks.sync_templates", queue="sync", run_id=str(run.id))
        if subject:
            about = f"template_sync:{run.id}"
            trail.record(tenant_id=tenant_id, action="template.sync_asked", actor=subject, about=about)
    return run


def _live(tenant_id: UUID, mine: SyncRun) -> SyncRun:
    """The run that is under way, or `mine`: one that `mine` stood back for may be over before it is looked for."""
    for _ in range(MOST_TRIES):
        SyncRun.objects.bulk_create([mine], ignore_conflicts=True)
        run: SyncRun | None = of_tenant(tenant_id).filter(state__in=LIVE).first()
        if run:
            return run
    raise WhatsappSyncFailed("Others begin and end syncs of this tenant too fast.", reason="busy", retryable=True)


def asked_within(tenant_id: UUID, age: timedelta) -> bool:
    """Whether a sync was asked for so recently, inside the caller's `tenant_scope`."""
    return of_tenant(tenant_id).filter(created_at__gt=Now() - age).exists()


def take(*, tenant_id: UUID, run_id: UUID) -> Lease | None:
    """Take up a run that waits, or that its worker has left. None where another is at it, or it is over."""
    lease_id = new_id()
    with tenant_scope(tenant_id):
        waiting = Q(state=State.QUEUED) | Q(state=State.RUNNING, lease_until__lt=Now())
        taken = of_tenant(tenant_id).filter(waiting, id=run_id)
        if not taken.update(
            state=State.RUNNING,
            lease_id=lease_id,
            lease_until=Now() + LEASE,
            started_at=Now(),
            pages=0,
            seen=0,
            expected=MessageTemplate.objects.for_tenant(tenant_id).count(),
        ):
            return None
        begun_at = of_tenant(tenant_id).values_list("started_at", flat=True).get(id=run_id)
    return Lease(tenant_id, run_id, lease_id, begun_at)


def tell(lease: Lease, *, more: int) -> SyncRun:
    """One page more, of so many templates. Raises WhatsappSyncFailed if another has taken the run over."""
    with tenant_scope(lease.tenant_id):
        told = lease.rows().update(pages=F("pages") + 1, seen=F("seen") + more, lease_until=Now() + LEASE)
        run: SyncRun = of_tenant(lease.tenant_id).get(id=lease.run_id)
    if not told:
        raise _taken_over()
    return run


def succeed(lease: Lease, waba_id: str, swapped: Swapped) -> SyncRun:
    """The run's end and the events of what it changed, inside the scope of the change."""
    rows = lease.rows()
    run = rows.first()
    if run is None or not rows.update(
        state=State.SUCCEEDED,
        waba_id=waba_id,
        added=swapped.added,
        changed=swapped.changed,
        removed=swapped.removed,
        unchanged=swapped.unchanged,
        finished_at=Now(),
    ):
        raise _taken_over()
    counts = {"added": swapped.added, "changed": swapped.changed, "removed": swapped.removed}
    if any(counts.values()):
        events.publish(tenant_id=lease.tenant_id, kind="template.synced", run_id=str(run.id), **counts)
    for name, language, before, after in swapped.moves[:MOST_MOVES_TOLD]:
        publish_status(lease.tenant_id, name, language, before, after)
    done: SyncRun = of_tenant(lease.tenant_id).get(id=run.id)
    return done


def fail(lease: Lease, error: HubError) -> None:
    """The run's end, and an event where the one before it did not fail."""
    with tenant_scope(lease.tenant_id):
        over = of_tenant(lease.tenant_id).filter(state__in=[State.SUCCEEDED, State.FAILED])
        before = over.order_by("-id").values_list("state", flat=True).first()
        said = _said(error)
        if lease.rows().update(state=State.FAILED, error=said, finished_at=Now()) and before != State.FAILED:
            code = error.entry.code
            events.publish(tenant_id=lease.tenant_id, kind="template.sync_failed", run_id=str(lease.run_id), code=code)


def publish_status(tenant_id: UUID, name: str, language: str, before: str, after: str) -> None:
    moved = {"name": name, "language": language, "before": before, "after": after}
    events.publish(tenant_id=tenant_id, kind="template.status_changed", **moved)


def _give_up_lost(tenant_id: UUID) -> None:
    """Runs whose worker or message is gone stand in nobody's way."""
    queued_too_long = Q(state=State.QUEUED, created_at__lt=Now() - LONGEST_IN_QUEUE)
    lost = of_tenant(tenant_id).filter(Q(state=State.RUNNING, lease_until__lt=Now()) | queued_too_long)
    failure = WhatsappSyncFailed("The worker that was to read the templates is gone.", reason="worker_lost")
    lost.update(state=State.FAILED, error=_said(failure), finished_at=Now())


def _forget_old(tenant_id: UUID) -> None:
    """But for the last success, which tells since when the templates are as they are."""
    last = of_tenant(tenant_id).filter(state=State.SUCCEEDED).order_by("-id").values("id")[:1]
    of_tenant(tenant_id).filter(finished_at__lt=Now() - KEPT).exclude(id__in=last).delete()


def _said(error: HubError) -> dict[str, Any]:
    """An error as a row keeps it."""
    return {
        "code": error.entry.code,
        "message": error.message,
        "retryable": error.is_retryable,
        "details": error.details,
    }


def _taken_over() -> WhatsappSyncFailed:
    return WhatsappSyncFailed("Another worker has taken this sync over.", reason="taken_over")
