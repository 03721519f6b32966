"""Subscriptions with something due, put into the outbox by the relay: one message for each, whatever waits for it.

It is the sweeper too: what is pending is due until a worker has seen to it, and whoever takes a subscription or a
delivery holds it for a time only. So a message that is lost, and a worker that dies, cost that time and nothing else.
"""

from django.db import connections, transaction

from integrationhub.core.operators import SYSTEM
from integrationhub.outbox.models import OutboxMessage

TASK = "integrationhub.webhooks.telling.tasks.tell"
AT_ONCE = 200
# Longer than a queue usually is. Its worker then holds it by a lease of its own.
HELD_SECONDS = 120

# Those that have waited longest come first, so that each has its turn.
DUE = """
UPDATE telling_subscription SET takes = takes + 1, free_at = now() + make_interval(secs => %(seconds)s)
WHERE id IN (
    SELECT id FROM telling_subscription AS subscription
    WHERE is_enabled AND free_at <= now() AND EXISTS (
        SELECT FROM telling_delivery
        WHERE subscription_id = subscription.id AND status = 'pending' AND due_at <= now())
    ORDER BY free_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
RETURNING tenant_id, id, takes
"""


def collect() -> int:
    """Post what is due, across tenants; returns how many subscriptions. One of `settings.COLLECTORS`."""
    with transaction.atomic(using=SYSTEM), connections[SYSTEM].cursor() as cursor:
        cursor.execute(DUE, {"seconds": HELD_SECONDS, "most": AT_ONCE})
        messages = [
            OutboxMessage(
                tenant_id=tenant_id,
                task=TASK,
                queue="webhook",
                arguments={"tenant_id": str(tenant_id), "subscription_id": str(subscription_id), "take": take},
            )
            for tenant_id, subscription_id, take in cursor.fetchall()
        ]
        # Only if there is one: even an insert of no row rings for the relay, which would never rest.
        if messages:
            OutboxMessage.objects.using(SYSTEM).bulk_create(messages)
        return len(messages)
