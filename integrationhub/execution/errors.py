"""Failures of an execution as a whole. What one attempt may raise stands in `providers/errors.py`."""

from typing import Any

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.execution.models import Execution


class NoProviders(HubError):
    entry = catalogue.NO_PROVIDERS


class AllProvidersFailed(HubError):
    entry = catalogue.ALL_PROVIDERS_FAILED


class ExecutionFailed(HubError):
    entry = catalogue.EXECUTION_FAILED


class Concluded(HubError):
    """The failure that an execution's row records, raised anew; its entry is the recorded one."""

    def __init__(self, execution: Execution) -> None:
        self.entry = catalogue.ENTRIES[execution.error_code]
        self.units_used: int | None = None
        recorded = dict(execution.error_details)
        super().__init__(
            execution.error_message,
            retryable=recorded.pop("retryable"),
            retry_after=recorded.pop("retry_after"),
            execution_id=str(execution.id),
            **recorded,
        )


def record(execution: Execution, error: HubError) -> None:
    """Put a failure into the row's columns, so that `Concluded` can raise it now and on every repeat."""
    execution.error_code = error.entry.code
    execution.error_message = error.message
    execution.error_details = {**error.details, "retryable": error.is_retryable, "retry_after": error.retry_after}


def execution_not_found(execution_id: Any) -> InvalidRequest:
    return InvalidRequest(
        f"There is no execution {execution_id} of this tenant.", status=404, reason="execution_not_found"
    )
