"""How an execution is shown, in the answer to `POST /execute` and everywhere else."""

from collections.abc import Sequence
from typing import Any

from integrationhub.core.representation import moment
from integrationhub.execution.models import Attempt, Execution


def represent(execution: Execution, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """An execution with its attempts, JSON-able; `error` is there when it did not succeed."""
    shown = {
        "execution_id": str(execution.id),
        "status": execution.status,
        "mode": execution.mode,
        "category": execution.category,
        "intent": execution.intent,
        "provider_key": execution.provider_key or None,
        "fallback_used": execution.fallback_used,
        "reference": execution.reference or None,
        "result": execution.result,
        "attempts": [represent_attempt(attempt) for attempt in attempts],
        "skipped": execution.skipped,
        "created_at": moment(execution.created_at),
        "duration_ms": execution.duration_ms,
        "request_id": execution.request_id,
    }
    for name in ("send_at", "expires_at"):
        if at := execution.moment_of(name):
            shown[name] = moment(at)
    if execution.retry_of:
        shown["retry_of"] = str(execution.retry_of)
    if execution.error_code:
        shown["error"] = {"code": execution.error_code, "message": execution.error_message}
    return shown


def represent_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "sequence": attempt.sequence,
        "provider_key": attempt.provider_key,
        "outcome": attempt.outcome,
        "class": attempt.outcome_class or None,
        "reason": attempt.reason or None,
        "code": attempt.code or None,
        "message": attempt.message or None,
        "upstream_status": attempt.upstream_status,
        "latency_ms": attempt.latency_ms,
        "started_at": moment(attempt.started_at),
    }
