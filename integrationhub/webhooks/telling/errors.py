from integrationhub.core.errors import InvalidRequest


def no_subscription(subscription_id: str) -> InvalidRequest:
    """Another tenant's is answered like one that nobody has."""
    return InvalidRequest(
        "There is no such webhook subscription; GET /webhook-subscriptions lists them.",
        status=404,
        reason="subscription_not_found",
        id=subscription_id[:64],
    )
