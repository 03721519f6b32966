"""`Prefer: respond-async`: the row is the job. A request queues it, a worker takes it by lease and runs its chain."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.db.models.functions import Now

from credentials.errors import VaultUnavailable
from integrationhub.core.errors import HubError
from integrationhub.core.representation import HubJSONRenderer
from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import awaiting, errors, executor, failing, keeping, ledger, routing
from integrationhub.execution.answer import represent
from integrationhub.execution.models import Attempt, Execution, Status
from integrationhub.execution.order import LONGEST_TIMEOUT_MS, Order, options_of, refuse_to_read_later
from integrationhub.idempotency import answers
from marketplace import quotas
from providers.intents import Intent

log = structlog.get_logger(__name__)

# How long a queued run waits for a provider that may be called again.
LONGEST_WAIT = timedelta(minutes=10)
SHORTEST_WAIT_SECONDS = 5
LEASE_SECONDS = LONGEST_TIMEOUT_MS / 1000 + ledger.LEASE_MARGIN_SECONDS


def enqueue(order: Order, *, executions_at: str, key: answers.Key | None = None) -> tuple[answers.Answer, int | None]:
    """Queue an order; returns the 202 as it goes out (and as the key repeats it), and the units used this month (None:
    it counts in another one).

    `executions_at` is the path under which executions are looked up. Raises InvalidRequest for an intent that reads,
    what `executor.prepare` raises, and QuotaExceeded or ledger.KeyTaken; then nothing is stored.
    """
    refuse_to_read_later(order.intent, "Prefer: respond-async")
    execution = executor.prepare(order).execution
    execution.status = Status.QUEUED
    if execution.quota_period:
        execution.quota_period = quotas.period_of(execution.due_at)
    execution.sealed_payload = keeping.seal(execution, order)
    headers = {
        "Content-Type": HubJSONRenderer.media_type,
        "Location": f"{executions_at}/{execution.id}",
        "Preference-Applied": "respond-async",  # RFC 7240, section 3
    }
    answer = answers.Answer(202, headers, HubJSONRenderer().render(represent(execution, [])))
    used = ledger.open_queued(execution, key, answer)
    return answer, used if execution.quota_period in (None, quotas.period_of(execution.created_at)) else None


def run_queued(tenant_id: UUID, execution_id: UUID) -> None:
    """A worker's side: take the execution, plan anew, go down the chain. A message that comes twice finds nothing."""
    execution = ledger.take(tenant_id, execution_id, LEASE_SECONDS)
    if execution is None:
        return
    with structlog.contextvars.bound_contextvars(execution_id=str(execution_id), tenant_id=str(tenant_id)):
        try:
            run = _run(execution)
            step = executor.first_step(run)
        except (errors.AllProvidersFailed, VaultUnavailable) as refusal:
            # Every circuit is open, or the payload cannot be opened now. Who asked for it later can wait.
            _wait(execution, refusal)
            return
        except HubError as refusal:
            # What was installed when it was queued no longer is, or the payload does not open: no attempt is made.
            not_started(execution, refusal)
            return
        _drive(run, step)


def go_on(tenant_id: UUID, execution_id: UUID, takes: int) -> None:
    """A worker's side where a provider accepted and the message did not come far enough: the rest of the chain.

    Who has been called is never called again, and nobody is where it came after all. A task that comes twice finds
    nothing.
    """
    execution = ledger.take_again(tenant_id, execution_id, takes, LEASE_SECONDS)
    if execution is None:
        return
    with tenant_scope(tenant_id):
        attempts, late = ledger.attempts_of(execution), awaiting.came_late(execution)
    with structlog.contextvars.bound_contextvars(execution_id=str(execution_id), tenant_id=str(tenant_id)):
        if late:
            awaiting.succeed_late(execution, late, attempts[0].provider_key)
            ledger.conclude(execution, None)
            return
        try:
            run = _rest(execution, attempts)
        except VaultUnavailable:
            log.warning("What is to be sent by the next provider cannot be opened now.")  # Rung for again by its lease.
        except HubError as refusal:
            _end_undelivered(execution, attempts, refusal)
        else:
            _call_next(run)


def _call_next(run: executor.Run) -> None:
    """Whom circuits or the tenant's own pace hold back is waited for, as by a run that has not begun."""
    execution = run.execution
    try:
        step = executor.first_step(run)
    except HubError as refusal:
        waits_for = timedelta(milliseconds=run.order.options.fallback_after_ms) + LONGEST_WAIT
        if datetime.now(UTC) - run.attempts[-1].started_at < waits_for:
            ledger.put_off(execution, refusal.retry_after or SHORTEST_WAIT_SECONDS)
        else:
            _end_undelivered(execution, run.attempts, refusal)
    else:
        _drive(run, step)


def _end_undelivered(execution: Execution, attempts: list[Attempt], refusal: HubError) -> None:
    execution.status = Status.FAILED
    errors.record(execution, _nobody_left(execution, attempts, refusal))
    if ledger.conclude(execution, None):
        keeping.keep_sealed(execution, execution.sealed_payload)


def _rest(execution: Execution, attempts: list[Attempt]) -> executor.Run:
    order, called = _order(execution), {attempt.provider_key for attempt in attempts}
    chain = routing.chain_for(order)
    steps = tuple(step for step in chain.steps if step.provider_key not in called)
    execution.skipped = [skipped.shown() for skipped in chain.skipped]
    run = executor.Run(order, replace(chain, steps=steps), execution, attempts=attempts)
    if not (steps and run.may_go_on()):
        raise failing.all_failed(execution.intent, attempts, execution.skipped, [SHORTEST_WAIT_SECONDS])
    return run


def _nobody_left(execution: Execution, attempts: list[Attempt], refusal: HubError) -> HubError:
    """For its caller all have failed, whatever keeps the rest of them from being called."""
    if isinstance(refusal, errors.AllProvidersFailed):
        return refusal
    return failing.all_failed(execution.intent, attempts, execution.skipped, [SHORTEST_WAIT_SECONDS])


def _drive(run: executor.Run, step: routing.Step) -> None:
    try:
        executor.drive(run, step, opened=False)
    except ledger.LeaseLost:
        log.info("A worker came too late to begin; nothing was sent.")
    except (errors.Concluded, errors.ExecutionFailed) as failure:
        log.info("A queued execution failed.", code=failure.entry.code)
    else:
        log.info("A queued execution ended.")


def _wait(execution: Execution, refusal: HubError) -> None:
    # Whom only the tenant's own pace holds back goes on waiting for its turn, whoever else is out of it for good.
    held_back_by = {each["reason"] for each in refusal.details.get("errors", [])}.intersection(failing.PASSING)
    if datetime.now(UTC) - execution.due_at > LONGEST_WAIT and held_back_by != {"throttled"}:
        # An operator who mends what kept its providers away can have it sent after all.
        bury(execution, refusal)
    else:
        ledger.put_back(execution, refusal.retry_after or SHORTEST_WAIT_SECONDS)


def bury(execution: Execution, failure: HubError) -> None:
    """Dead-letter it: failed for its caller, its unit given back, its payload kept for an operator's redrive."""
    errors.record(execution, failure)
    with tenant_scope(execution.tenant_id):
        mine = Execution.objects.for_tenant(execution.tenant_id).filter(
            pk=execution.id, status=Status.RUNNING, takes=execution.takes
        )
        is_buried = mine.update(
            status=Status.FAILED,
            error_code=execution.error_code,
            error_message=execution.error_message,
            error_details=execution.error_details,
            dead_at=Now(),
            finished_at=Now(),
            lease_until=None,
        )
        if is_buried and execution.quota_period:
            quotas.release(execution.tenant_id, execution.quota_period)


def not_started(execution: Execution, refusal: HubError) -> None:
    """Conclude an execution of which no attempt was made; its unit of the quota goes back."""
    execution.status = Status.FAILED
    errors.record(execution, refusal)
    with tenant_scope(execution.tenant_id):
        if ledger.conclude(execution, None):
            keeping.keep_sealed(execution, execution.sealed_payload)
            if execution.quota_period:
                quotas.release(execution.tenant_id, execution.quota_period)


def _run(execution: Execution) -> executor.Run:
    if _is_expired(execution):
        raise errors.ExecutionFailed(
            "Its time to be begun, expires_at, was over before a worker could; nothing was sent.",
            reason="expired",
            retryable=False,
        )
    order = _order(execution)
    chain = routing.chain_for(order)
    execution.skipped = [skipped.shown() for skipped in chain.skipped]
    execution.routing = chain.planned()
    return executor.Run(order, chain, execution)


def _is_expired(execution: Execution) -> bool:
    expires_at = execution.moment_of("expires_at")
    return expires_at is not None and expires_at <= datetime.now(UTC)


def _order(execution: Execution) -> Order:
    payload = keeping.opened(execution)
    intent = Intent.parse(execution.category, execution.intent)
    # What is installed by now changes nothing of it: it was counted, and told, as a trial or as none.
    options = options_of({**execution.options, "mode": execution.mode}, intent)
    return Order(
        execution.tenant_id, execution.subject, execution.request_id, intent, payload, options, execution.options
    )
