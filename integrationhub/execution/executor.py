"""The chain: try, record, next. The class of a provider's error is the policy; this file alone acts on it."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from uuid import UUID

import structlog
from django.db import DatabaseError

from credentials import binding, refusals
from credentials.errors import CredentialExpired, VaultUnreadable
from credentials.models import Credential
from integrationhub.audit import trail
from integrationhub.core import storable
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import let_go_of_connection
from integrationhub.execution import (
    admission,
    awaiting,
    circuits,
    errors,
    failing,
    keeping,
    ledger,
    provider_health,
    routing,
)
from integrationhub.execution.models import Attempt, Execution, Mode, Outcome, Status
from integrationhub.execution.order import Order
from integrationhub.execution.routing import Chain, Skipped, Step
from integrationhub.idempotency import answers
from marketplace import quotas
from oauth import refreshing
from providers import hiding, registry
from providers.adapter import Call, JSONObject, Receipt
from providers.errors import Ambiguous, Blocked, Next, ProviderError, Retry

log = structlog.get_logger(__name__)

CALLS_PER_CHAIN = 4
# Below this nothing new is begun: a call cut off in the middle would only leave an unknown outcome behind.
LEAST_SECONDS = 0.5
BACK_OFF_SECONDS = (0.25, 0.5)
DEFAULT_RETRY_AFTER_SECONDS = 5


@dataclass
class Run:
    """One execution under way: what was asked, the chain, and the attempts so far."""

    order: Order
    chain: Chain
    execution: Execution
    attempts: list[Attempt] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    units_used: int | None = None
    deadline: Deadline = field(init=False)
    waiting: deque[Step] = field(init=False)
    # In how many seconds each provider that failed or was passed over may be called again.
    pauses: list[float] = field(default_factory=list)
    # What else is to be written down once the outcome is: it must never stand in the outcome's way.
    notes: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadline = Deadline(self.begun + self.order.options.timeout_ms / 1000)
        self.waiting = deque(self.chain.steps)

    @property
    def is_live(self) -> bool:
        return self.chain.mode == Mode.LIVE

    def next_attempt(self, step: Step) -> Attempt:
        attempt = Attempt(
            tenant_id=self.order.tenant_id,
            execution_id=self.execution.id,
            sequence=len(self.attempts) + 1,
            provider_key=step.provider_key,
            outcome=Outcome.STARTED,
        )
        self.attempts.append(attempt)
        return attempt

    def may_go_on(self, *, after: float = 0.0) -> bool:
        seconds = min(self.deadline.remaining() - LEAST_SECONDS, self.order.options.seconds_left())
        return len(self.attempts) < CALLS_PER_CHAIN and seconds >= after


def prepare(order: Order, chain: Chain | None = None) -> Run:
    """Everything that can refuse an order without storing, counting or sending anything. Without `chain` it is that of
    the tenant's providers."""
    begun = time.monotonic()
    chain = chain or routing.chain_for(order)
    now = datetime.now(UTC)
    execution = Execution(
        id=new_id(),
        tenant_id=order.tenant_id,
        request_id=order.request_id,
        subject=order.subject,
        category=order.intent.category,
        intent=order.intent.name,
        options=dict(order.raw_options),
        mode=chain.mode,
        status=Status.RUNNING,
        retry_of=order.retry_of,
        created_at=now,
        skipped=[skipped.shown() for skipped in chain.skipped],
        routing=chain.planned(),
        quota_period=None if chain.mode == Mode.SANDBOX else quotas.period_of(now),
    )
    run = Run(order, chain, execution, begun=begun)
    first = chain.steps[0]
    registry.instance(first.provider_key).preflight(_call(run, first))
    return run


def execute(order: Order, key: answers.Key | None = None, chain: Chain | None = None) -> Run:
    """Run an order now.

    Raises what `prepare` and `first_step` raise, QuotaExceeded, ledger.KeyTaken, and after the first attempt what
    `drive` does.
    """
    run = prepare(order, chain)
    step = first_step(run)
    first = run.next_attempt(step)
    with _probe_given_back(run, step):
        run.units_used = ledger.open_running(run.execution, first, key, seconds=order.options.timeout_ms / 1000)
    drive(run, step, opened=True)
    return run


def first_step(run: Run) -> Step:
    """The first that may be called now. Raises AllProvidersFailed where none may; nothing is stored or counted then."""
    step = _next_step(run)
    if step is None:
        raise failing.all_failed(run.order.intent.name, run.attempts, run.execution.skipped, run.pauses)
    return step


def drive(run: Run, step: Step, *, opened: bool) -> None:
    """Go down the chain from `step`. `opened`: the first attempt is committed already.

    Raises `errors.Concluded` for a failure that is recorded, and `ledger.LeaseLost` where nothing was begun. Whatever
    else breaks once an attempt stands leaves an outcome that nobody knows: ExecutionFailed says so, and the row is
    settled when its lease has passed.
    """
    structlog.contextvars.bind_contextvars(execution_id=str(run.execution.id))
    try:
        _go_down(run, step, opened=opened)
    except (errors.Concluded, ledger.LeaseLost):
        raise
    except Exception as fault:
        log.exception("An execution could not be recorded to its end.")
        raise errors.outcome_unknown(
            "What came of this execution could not be recorded; look it up before you send again.",
            execution_id=str(run.execution.id),
        ) from fault


def _go_down(run: Run, step: Step, *, opened: bool) -> None:
    verdict = _attempt(run, step, opened=opened)
    while not isinstance(verdict, Receipt):
        following = _following(run, verdict)
        is_repeat = following is None and isinstance(verdict, Retry) and _waited(run, step, verdict)
        if following is None and not is_repeat:
            break
        step = following or step
        try:
            verdict = _attempt(run, step, opened=False)
        except ledger.LeaseLost:
            # Taken for dead while the last call was out: nothing more is sent, and what came of the calls is told.
            run.attempts.pop()
            break
        if is_repeat:
            break
    if isinstance(verdict, Receipt):
        _succeed(run, verdict)
    else:
        _fail(run, verdict)


@contextmanager
def _probe_given_back(run: Run, step: Step) -> Iterator[None]:
    """If the statement before a call fails, the call is not made."""
    try:
        yield
    except Exception:
        if run.is_live:
            circuits.give_back(run.order.tenant_id, step.provider_key)
        raise


def _following(run: Run, verdict: HubError) -> Step | None:
    """Who is tried after this failure; None ends the chain."""
    if _ends_the_chain(run, verdict):
        return None
    if run.may_go_on():
        return _next_step(run)
    reason = "call_limit" if len(run.attempts) >= CALLS_PER_CHAIN else "deadline"
    run.execution.skipped += [Skipped(step.provider_key, reason).shown() for step in run.waiting]
    return None


def _next_step(run: Run) -> Step | None:
    """The next provider that may be called now; those it passes over are noted as skipped."""
    while run.waiting:
        step = run.waiting.popleft()
        refusal = admission.refusal(run.order.tenant_id, run.execution.intent, step, is_live=run.is_live)
        if refusal is None:
            return step
        run.pauses.append(refusal.seconds)
        run.execution.skipped.append(Skipped(step.provider_key, refusal.reason).shown())
    return None


def _attempt(run: Run, step: Step, *, opened: bool) -> Receipt | HubError:
    """One call. Its row is committed before the call; its end is committed with what follows it."""
    if opened:
        attempt = run.attempts[-1]
    else:
        ended = run.attempts[-1] if run.attempts else None
        attempt = run.next_attempt(step)
        with _probe_given_back(run, step):
            ledger.begin_attempt(run.execution, attempt, ended)
    begun, allowed = time.monotonic(), min(run.order.attempt_seconds, run.deadline.remaining())
    verdict = _called(run, step, attempt)
    attempt.latency_ms = round((time.monotonic() - begun) * 1000)
    _record(attempt, verdict)
    if run.is_live:
        news = circuits.record(run.order.tenant_id, step.provider_key, verdict, allowed_seconds=allowed)
        if news:
            run.notes.append(partial(circuits.tell, run.order.tenant_id, step.provider_key, news))
    if isinstance(verdict, Blocked):
        run.notes.append(partial(_tell_of_block, run, step))
    if isinstance(verdict, HubError):
        run.pauses.append(verdict.retry_after or DEFAULT_RETRY_AFTER_SECONDS)
    return verdict


def _called(run: Run, step: Step, attempt: Attempt) -> Receipt | HubError:
    """Secrets are opened here, for this one call."""
    if step.connection_id:
        return _called_by_connection(run, step, attempt, step.connection_id)
    try:
        secrets = binding.opened(step.credential, run.deadline) if step.credential else {}
    except (CredentialExpired, VaultUnreadable) as error:
        # It ended since the chain was made, or does not open; nothing was sent, so another provider may.
        return Next(error.message, reason="credential_unusable", entry=error.entry)
    verdict = _asked(step, _call(run, step, attempt, secrets))
    if step.credential:
        _note_credential(run, step.credential, verdict)
    return verdict


def _called_by_connection(run: Run, step: Step, attempt: Attempt, connection_id: UUID) -> Receipt | HubError:
    """With its access token, refreshed before where it ends soon."""
    tenant_id, until = run.order.tenant_id, run.deadline.within(run.order.attempt_seconds)
    try:
        version, tokens = refreshing.usable(tenant_id=tenant_id, connection_id=connection_id, deadline=until)
    except HubError as error:
        # Nothing was sent, so another provider may.
        return Next(error.message, reason="connection_unusable", entry=error.entry)
    verdict = _asked(step, _call(run, step, attempt, {"access_token": tokens.access_token}))
    if isinstance(verdict, ProviderError) and verdict.upstream_status == HTTPStatus.UNAUTHORIZED:
        refused = partial(refreshing.refused, tenant_id=tenant_id, connection_id=connection_id, token_version=version)
        run.notes.append(refused)
    return verdict


def _asked(step: Step, call: Call) -> Receipt | HubError:
    let_go_of_connection()
    try:
        return registry.instance(step.provider_key).execute(call)
    except HubError as error:
        return error
    except Exception as fault:  # noqa: BLE001  Foreign code ends here.
        # An adapter that breaks in the middle may have sent: the boundary keeps the row, and nothing is tried again.
        said = hiding.traceback_without(fault, call.secrets)
        log.error("An adapter raised what its contract does not name.", provider_key=step.provider_key, exception=said)
        message = "The adapter failed in mid-call; whether the provider acted is not known."
        return Ambiguous(message, reason="adapter_error")


def _call(run: Run, step: Step, attempt: Attempt | None = None, secrets: JSONObject | None = None) -> Call:
    return Call(
        tenant_id=run.order.tenant_id,
        intent=run.order.intent.name,
        payload=run.order.payload,
        deadline=run.deadline.within(run.order.attempt_seconds),
        config=step.config,
        base_url=step.base_url,
        secrets=secrets or {},
        attempt_id=attempt.id if attempt else None,
        file=run.order.file,
        largest=run.order.largest,
    )


def _note_credential(run: Run, credential: Credential, verdict: Receipt | HubError) -> None:
    """A refused credential is shown to its owner even when a later provider saves the execution."""
    if isinstance(verdict, ProviderError) and verdict.credential_refused:
        successes = partial(provider_health.successes, credential.tenant_id, credential.provider_key)
        run.notes.append(partial(refusals.mark_failing, credential, reason=verdict.reason, successes=successes))
    elif isinstance(verdict, Receipt) and credential.failing_since:
        run.notes.append(partial(refusals.mark_working, credential))


def _tell_of_block(run: Run, step: Step) -> None:
    trail.note(
        tenant_id=run.order.tenant_id,
        action="outbound.blocked",
        actor=run.order.subject,
        about=f"provider:{step.provider_key}",
        execution_id=run.execution.id,
        intent=run.order.intent.name,
    )


def _record(attempt: Attempt, verdict: Receipt | HubError) -> None:
    if isinstance(verdict, Receipt):
        attempt.outcome = Outcome.SUCCEEDED
        return
    attempt.outcome = Outcome.UNKNOWN if isinstance(verdict, Ambiguous) else Outcome.FAILED
    attempt.outcome_class, reason = "stop", verdict.entry.name.lower()
    if isinstance(verdict, ProviderError):
        attempt.outcome_class, reason = verdict.outcome_class, verdict.reason
        attempt.upstream_status = verdict.upstream_status
    attempt.reason = storable.text(reason, storable.LONGEST_REASON)
    attempt.code = verdict.entry.code
    attempt.message = storable.text(verdict.message)
    attempt.retryable = isinstance(verdict, Retry | Next)


def _waited(run: Run, step: Step, refusal: Retry) -> bool:
    """Wait before the last provider's second call; False when the deadline, the limit of calls or the budget of such
    repeats forbids one."""
    pause = refusal.retry_after or random.uniform(*BACK_OFF_SECONDS)  # noqa: S311  Jitter, no secret.
    if not run.may_go_on(after=pause):
        return False
    if not admission.may_repeat(run.order.tenant_id, run.execution.intent, step, is_live=run.is_live):
        return False
    time.sleep(pause)
    return True


def _ends_the_chain(run: Run, verdict: HubError) -> bool:
    if isinstance(verdict, Ambiguous):
        return run.order.options.on_ambiguous == "stop"
    return not isinstance(verdict, Retry | Next)


def _succeed(run: Run, receipt: Receipt) -> None:
    execution, deliverer = run.execution, run.attempts[-1].provider_key
    execution.status, execution.provider_key = Status.SUCCEEDED, deliverer
    execution.fallback_used = deliverer != run.attempts[0].provider_key
    execution.reference = storable.text(receipt.reference, storable.LONGEST_REFERENCE)
    execution.result = storable.json_value(receipt.result)
    _conclude(run)
    execution.result |= receipt.unkept  # The row is written.


def _fail(run: Run, verdict: HubError) -> None:
    execution = run.execution
    execution.status = Status.FAILED
    if isinstance(verdict, Ambiguous) and run.order.options.on_ambiguous == "stop":
        execution.status = Status.UNKNOWN
        failure: HubError = errors.outcome_unknown(verdict.message, provider_key=run.attempts[-1].provider_key)
    elif not isinstance(verdict, Retry | Next | Ambiguous):
        failure = failing.refusal(verdict, run.attempts[-1].provider_key)
    else:
        failure = failing.all_failed(run.order.intent.name, run.attempts, run.execution.skipped, run.pauses)
    errors.record(execution, failure)
    run.notes.append(partial(keeping.keep, execution, run.order, run.deadline))
    _conclude(run)
    if execution.error_code:  # None where the message of an earlier attempt has come meanwhile.
        raise errors.Concluded(execution, units_used=run.units_used)


def _conclude(run: Run) -> None:
    run.execution.duration_ms = round((time.monotonic() - run.begun) * 1000)
    awaiting.conclude(run.execution, run.attempts[-1], run.order.options, run.chain)
    for note in run.notes:
        try:
            note()
        except DatabaseError:
            log.exception("What else is to be told of an execution could not be written.")
    # For the one line that the request, or the task, writes when it is over.
    structlog.contextvars.bind_contextvars(
        execution_status=str(run.execution.status),
        intent=run.execution.intent,
        attempts=[f"{attempt.provider_key} {attempt.outcome}" for attempt in run.attempts],
    )
