"""The per-minute limit of a tenant's tier: one window for executions, one for every other request.

Headers: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from integrationhub.core import tenant_version, valkey_client
from integrationhub.core.errors import ExecutionRateLimitExceeded, RateLimitExceeded
from integrationhub.core.http import caller
from integrationhub.core.sliding_window import TAKE, WINDOW_SECONDS, Count, LocalWindows

EXCEEDED = {"requests": RateLimitExceeded, "executions": ExecutionRateLimitExceeded}


class Limits(Protocol):
    """What `settings.TENANT_LIMITS` gives for a tenant; None means no limit."""

    requests_per_minute: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """`reset_seconds`: when the oldest counted request leaves the window."""

    window: str
    limit: int | None
    is_allowed: bool
    remaining: int
    reset_seconds: int
    # Of what may be cached of the tenant; None while Redis is away.
    tenant_version: str | None = None


local_windows = LocalWindows()


class TenantThrottle(BaseThrottle):
    """Counts the request in its view's window and leaves the decision on the request, for the headers."""

    def allow_request(self, request: Request, view: Any) -> bool:
        spend(request, window=view.rate_limit)
        return True


def limit_of(tenant_id: UUID) -> int | None:
    """How many requests a minute the tenant's tier allows in each window; None where it sets no limit."""
    return _limits_of()(tenant_id).requests_per_minute


def spend(request: Request, *, window: str, cost: int = 1) -> None:
    """Count `cost` requests of the caller. Raises RateLimitExceeded or its twin of the executions, counting nothing."""
    tenant_id = caller(request).tenant_id
    decision = decide(tenant_id, window, limit_of(tenant_id), cost)
    inner: Any = request._request
    inner.rate_limit_decision = decision
    if not decision.is_allowed:
        raise EXCEEDED[window](
            f"The limit of {decision.limit} {window} a minute is used up; "
            f"there is room again in {decision.reset_seconds} s.",
            retry_after=decision.reset_seconds,
            limit=decision.limit,
            window=window,
            window_seconds=WINDOW_SECONDS,
        )


def decide(tenant_id: UUID, window: str, limit: int | None, cost: int = 1) -> Decision:
    """Count in Redis, or, while it is away, in this process by its share of the limit. No limit, no count."""
    if limit is None:
        return Decision(window, None, is_allowed=True, remaining=0, reset_seconds=0)
    key = f"hub:rate:{tenant_id}:{window}"
    answer = valkey_client.run(TAKE, [key, *tenant_version.keys(tenant_id)], [limit, cost])
    if answer is None:
        limit, version = max(1, limit // max(1, settings.WEB_WORKERS)), None
        count = local_windows.take(key, limit=limit, cost=cost)
    else:
        taken, used, tenths, *versions = answer
        count, version = Count(bool(taken), used, tenths / 10), b".".join(versions).decode()
    remaining, reset_seconds = max(0, limit - count.used), max(1, math.ceil(count.seconds_to_room))
    return Decision(window, limit, count.is_taken, remaining, reset_seconds, version)


def _limits_of() -> Callable[[UUID], Limits]:
    return import_string(settings.TENANT_LIMITS)


def headers(decision: Decision) -> dict[str, str]:
    """The headers that tell the caller where it stands; none for a tenant without a limit."""
    if decision.limit is None:
        return {}
    return {
        "RateLimit-Policy": f'"{decision.window}";q={decision.limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"{decision.window}";r={decision.remaining};t={decision.reset_seconds}',
        "X-RateLimit-Limit": str(decision.limit),
        "X-RateLimit-Remaining": str(decision.remaining),
        "X-RateLimit-Reset": str(int(time.time()) + decision.reset_seconds),
    }
