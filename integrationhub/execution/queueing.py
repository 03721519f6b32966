"""`Prefer: respond-async`: the row is the job. A request queues it, a worker takes it by lease and runs its chain."""

import json
from typing import Any
from uuid import UUID

import structlog

from credentials.vault import Context, vault
from integrationhub.core.errors import HubError
from integrationhub.core.representation import HubJSONRenderer
from integrationhub.execution import errors, executor, ledger, routing
from integrationhub.execution.answer import represent
from integrationhub.execution.models import Execution, Status
from integrationhub.execution.order import LONGEST_TIMEOUT_MS, Order, options_of
from integrationhub.idempotency import answers
from providers.intents import Intent

log = structlog.get_logger(__name__)

LEASE_SECONDS = LONGEST_TIMEOUT_MS / 1000 + ledger.LEASE_MARGIN_SECONDS


def enqueue(order: Order, *, version: str, key: answers.Key | None = None) -> tuple[answers.Answer, int]:
    """Queue an order; returns the 202 as it goes out (and as the key repeats it), and the units used this month.

    Raises what `executor.prepare` raises, and QuotaExceeded; then nothing is stored.
    """
    run = executor.prepare(order)
    execution = run.execution
    execution.status = Status.QUEUED
    execution.sealed_payload = vault().seal(json.dumps(order.payload).encode(), _context(execution))
    answer = answers.Answer(
        202,
        {"Content-Type": "application/json", "Location": f"/integrationhub/{version}/executions/{execution.id}"},
        HubJSONRenderer().render(represent(execution, [])),
    )
    return answer, ledger.open_queued(order, run.chain, execution, key, answer)


def run_queued(tenant_id: UUID, execution_id: UUID) -> None:
    """A worker's side: take the execution, plan anew, go down the chain. A message that comes twice finds nothing."""
    execution = ledger.take(tenant_id, execution_id, LEASE_SECONDS)
    if execution is None:
        return
    structlog.contextvars.bind_contextvars(execution_id=str(execution_id), tenant_id=str(tenant_id))
    order = _order(execution)
    try:
        chain = routing.chain_for(order)
    except HubError as refusal:
        # What was installed when it was queued no longer is: no attempt is made, and the unit goes back.
        execution.status = Status.FAILED
        errors.record(execution, refusal)
        ledger.conclude(execution, None)
        return
    execution.skipped = [{"provider_key": s.provider_key, "reason": s.reason} for s in chain.skipped]
    try:
        executor.drive(executor.Run(order, chain, execution), opened=False)
    except errors.Concluded as failure:
        log.info("A queued execution failed.", code=failure.entry.code)


def _order(execution: Execution) -> Order:
    payload: dict[str, Any] = json.loads(vault().open(bytes(execution.sealed_payload or b""), _context(execution)))
    intent = Intent.parse(execution.category, execution.intent)
    options = options_of(execution.options, intent)
    return Order(
        execution.tenant_id, execution.subject, execution.request_id, intent, payload, options, execution.options
    )


def _context(execution: Execution) -> Context:
    return Context(execution.tenant_id, "execution_execution", execution.id, "payload")
