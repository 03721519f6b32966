from datetime import UTC, datetime

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.representation import moment


def no_subscription(subscription_id: str) -> InvalidRequest:
    """Another tenant's is answered like one that nobody has."""
    return InvalidRequest(
        "There is no such webhook subscription; GET /webhook-subscriptions lists them.",
        status=404,
        reason="subscription_not_found",
        id=subscription_id[:64],
    )


def rotations_under_way(until: datetime) -> InvalidRequest:
    """One more would cut off a secret by which somebody may still verify."""
    return InvalidRequest(
        f"Two secrets before this one still sign, the first of them until {moment(until)}. Rotate it then, or with "
        "overlap_seconds 0, which ends both at once.",
        status=409,
        reason="rotations_under_way",
        retryable=True,
        retry_after=(until - datetime.now(UTC)).total_seconds(),
        until=moment(until),
    )
