"""Failures of an execution as a whole. What one attempt may raise stands in `providers/errors.py`."""

from typing import Any

from integrationhub.core import catalogue, storable
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.execution.models import Execution


class NoProviders(HubError):
    entry = catalogue.NO_PROVIDERS


class AllProvidersFailed(HubError):
    entry = catalogue.ALL_PROVIDERS_FAILED


class IpfsUnavailable(HubError):
    entry = catalogue.IPFS_UNAVAILABLE


class ExecutionFailed(HubError):
    entry = catalogue.EXECUTION_FAILED


class Concluded(HubError):
    """The failure that an execution's row records, raised anew; its entry is the recorded one."""

    def __init__(self, execution: Execution, *, units_used: int | None = None) -> None:
        self.units_used = units_used
        recorded = {**execution.error_details, "execution_id": str(execution.id)}
        super().__init__(
            execution.error_message,
            entry=catalogue.ENTRIES[execution.error_code],
            status=recorded.pop("status", None),
            retryable=recorded.pop("retryable"),
            retry_after=recorded.pop("retry_after"),
            **recorded,
        )


def outcome_unknown(message: str, **details: Any) -> ExecutionFailed:
    """An attempt was started and nobody knows what came of it: whoever sends again may do it twice."""
    return ExecutionFailed(message, reason="outcome_unknown", retryable=False, **details)


def record(execution: Execution, error: HubError) -> None:
    """Put a failure into the row's columns, so that `Concluded` can raise it now and on every repeat."""
    execution.error_code = error.entry.code
    execution.error_message = storable.text(error.message)
    execution.error_details = {
        **storable.json_value(error.details),
        "status": error.status,
        "retryable": error.is_retryable,
        "retry_after": error.retry_after,
    }


def in_the_way(execution: Execution, words: str, *, reason: str, **details: Any) -> InvalidRequest:
    """An execution whose state does not allow what is asked of it."""
    return InvalidRequest(
        f"The execution {execution.id} is {execution.status}. {words}",
        status=409,
        reason=reason,
        execution_status=execution.status,
        **details,
    )


def retried_already(follower: Execution) -> InvalidRequest:
    """Of two retries at the same time the other one came first."""
    return InvalidRequest(
        f"The execution {follower.retry_of} has been retried, or what it was to send is kept no longer.",
        status=409,
        reason="retried_already",
    )


def execution_not_found(execution_id: Any) -> InvalidRequest:
    return InvalidRequest(
        f"There is no execution {str(execution_id)[:64]!r} of this tenant.", status=404, reason="execution_not_found"
    )
