from uuid import UUID

from celery import shared_task

from integrationhub.core.partitions import ensure_partitions
from integrationhub.execution import asking, awaiting, deliveries, queueing, settling
from integrationhub.execution.models import PARTITIONED_TABLES
from integrationhub.outbox import events


@shared_task
def run_execution(*, tenant_id: str, execution_id: str, **_: object) -> None:
    queueing.run_queued(UUID(tenant_id), UUID(execution_id))
    # The scheduled tick waits behind the runs and lapses where they are long: so those who run also settle.
    settling.settle_when_due()


@shared_task
def go_on(*, tenant_id: str, execution_id: str, takes: int, **_: object) -> None:
    queueing.go_on(UUID(tenant_id), UUID(execution_id), takes)
    settling.settle_when_due()


@shared_task
def look_at_delivery(*, tenant_id: str, delivery_id: str, **_: object) -> None:
    asking.look(UUID(tenant_id), UUID(delivery_id))
    settling.settle_when_due()


@shared_task
def settle_executions(**_: object) -> None:
    settling.settle()
    awaiting.ring_for_looks(awaiting.UNAWAITED_DUE)


@shared_task
def make_partitions(**_: object) -> None:
    for table in PARTITIONED_TABLES:
        ensure_partitions(table)


@shared_task
def forget_old_answers(**_: object) -> None:
    settling.forget_old_answers()


@shared_task
def forget_dead_payloads(**_: object) -> None:
    settling.forget_dead_payloads()


@shared_task
def forget_old_events(**_: object) -> None:
    events.forget_old()
    deliveries.forget_old()
