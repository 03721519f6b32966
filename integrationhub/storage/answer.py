"""How an execution is shown that put a file on IPFS, or keeps one there."""

from typing import Any

from integrationhub.execution.models import Execution


def represent(execution: Execution) -> dict[str, Any]:
    return {
        **execution.result,
        "provider_key": execution.provider_key,
        "fallback_used": execution.fallback_used,
        "execution_id": str(execution.id),
        "request_id": execution.request_id,
    }
