"""Reading a tenant's templates from Meta: every page or nothing, then one swap. No transaction is open meanwhile."""

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError
from django.utils.module_loading import import_string

from credentials.models import Credential
from integrationhub.core import catalogue
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from integrationhub.core.operators import SYSTEM
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from providers.errors import ProviderError
from providers.meta_graph import MetaGraph
from templates import runs, swapping
from templates.errors import WhatsappSyncFailed
from templates.models import SyncRun
from templates.runs import Lease

logger = logging.getLogger(__name__)

PROVIDER = "meta_whatsapp"
# All of a reading, the account's vault and every page, so that the swap too ends before the soft limit of a task (60);
# and one page of it.
SECONDS, PAGE_SECONDS = 50.0, 10.0
LOOK_AGAIN_SECONDS = 0.25
# By which Meta refuses the token itself; by others it says what the token may not do.
NO_TOKEN = frozenset({0, 102, 104, 190})

Told = Callable[[SyncRun], None]


def graph_of(tenant_id: UUID, deadline: Deadline) -> MetaGraph:
    """Meta as the tenant's account sees it. Raises WhatsappNotConfigured, or what its binding lacks. Not inside a
    scope."""
    graph: MetaGraph = import_string(settings.WHATSAPP_GRAPH)(tenant_id, deadline.within(PAGE_SECONDS))
    return graph


def ask(*, tenant_id: UUID, subject: str) -> SyncRun:
    """Have a worker read the templates; the run that is under way, where there is one. Raises as `graph_of` does."""
    graph_of(tenant_id, Deadline.after(PAGE_SECONDS))
    return runs.ask(tenant_id=tenant_id, subject=subject)


def ask_for_all() -> int:
    """Ask for one run of each tenant that has an account; returns of how many."""
    asked = 0
    for tenant_id in tenants():
        try:
            runs.ask(tenant_id=tenant_id)
            asked += 1
        except (DatabaseError, WhatsappSyncFailed):
            # The boundary of one tenant: the next tick asks again, and the others go on.
            logger.exception("A sync of templates could not be asked for.", extra={"tenant_id": str(tenant_id)})
    return asked


def tenants() -> list[UUID]:
    """Who has bound an account of its own, or has synced with the deployment's as it is now."""
    bound = Credential.objects.using(SYSTEM).filter(provider_key=PROVIDER, status=Credential.Status.ACTIVE)
    shared = SyncRun.objects.using(SYSTEM).filter(state=SyncRun.State.SUCCEEDED, waba_id=settings.META_WABA_ID)
    sharing = shared.values_list("tenant_id", flat=True).distinct() if settings.META_WABA_ID else ()
    return sorted({*bound.values_list("tenant_id", flat=True), *sharing})


def now(*, tenant_id: UUID, subject: str, told: Told | None = None) -> SyncRun:
    """Read the templates here and now; if another is at it, wait for that. It may be not over, after `SECONDS`.

    `told` is called after each page. Raises WhatsappNotConfigured, WhatsappSyncFailed.
    """
    graph_of(tenant_id, Deadline.after(PAGE_SECONDS))
    asked = runs.ask(tenant_id=tenant_id, subject=subject, is_posted=False)
    return run(tenant_id=tenant_id, run_id=asked.id, told=told) or _awaited(asked)


def run(*, tenant_id: UUID, run_id: UUID, told: Told | None = None) -> SyncRun | None:
    """Do a run that was asked for; None where another is at it, or it is over.

    Raises what the run's row then tells: WhatsappSyncFailed for every fault of Meta's, else what the account lacks.
    """
    lease = runs.take(tenant_id=tenant_id, run_id=run_id)
    if lease is None:
        return None
    deadline = Deadline.after(SECONDS)
    try:
        graph = graph_of(tenant_id, deadline)
        listing, waba_id = _read(lease, graph, deadline, told), graph.account.waba_id
        with tenant_scope(tenant_id):
            swapped = swapping.swap(tenant_id=tenant_id, waba_id=waba_id, listing=listing, begun_at=lease.begun_at)
            return runs.succeed(lease, waba_id, swapped)
    except HubError as error:
        runs.fail(lease, error)
        raise
    except SoftTimeLimitExceeded:
        runs.fail(lease, WhatsappSyncFailed("The worker that read the templates ran out of time.", reason="timed_out"))
        raise


def attend_to(*, tenant_id: UUID, run_id: UUID) -> None:
    """`run` for a worker: what made it fail stands in the row, and there is nobody else to tell it to."""
    try:
        run(tenant_id=tenant_id, run_id=run_id)
    except HubError as error:
        told = {"tenant_id": str(tenant_id), "code": error.entry.code, "words": error.message}
        logger.warning("The templates of a tenant could not be synced.", extra=told)


def _read(lease: Lease, graph: MetaGraph, deadline: Deadline, told: Told | None) -> list[Any]:
    listing: list[Any] = []
    let_go_of_connection()
    try:
        for page in graph.template_pages(deadline, PAGE_SECONDS):
            listing += page
            progress = runs.tell(lease, more=len(page))
            if told:
                told(progress)
            let_go_of_connection()
    except ProviderError as error:
        if error.details.get("meta", {}).get("code") in NO_TOKEN:
            import_string(settings.WHATSAPP_NOTE)(lease.tenant_id, error)
        raise _failed(error) from error
    return listing


def _failed(error: ProviderError) -> WhatsappSyncFailed:
    """Whatever Meta said, under the one code that a sync answers with; `code` in the details is of Meta's row."""
    details = {**error.details, "reason": error.reason, "code": error.entry.code}
    return WhatsappSyncFailed(
        f"Templates could not be read from Meta, and are as they were: {error.message}",
        retryable=error.is_retryable,
        retry_after=error.retry_after,
        **details,
    )


def _awaited(asked: SyncRun) -> SyncRun:
    """A run that another is at, once it is over, or as it then stands. Raises what made it fail."""
    deadline = Deadline.after(SECONDS)
    found = asked
    while deadline.remaining() and not found.is_over:
        time.sleep(LOOK_AGAIN_SECONDS)
        found = runs.get(tenant_id=asked.tenant_id, run_id=str(asked.id))
        let_go_of_connection()
    if found.error:
        said = found.error
        entry = catalogue.ENTRIES[said["code"]]
        raise HubError(said["message"], entry=entry, retryable=said["retryable"], **said["details"])
    return found
