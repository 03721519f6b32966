from uuid import UUID

from celery import shared_task

from integrationhub.webhooks.telling import forgetting, stints


@shared_task
def tell(*, tenant_id: str, subscription_id: str, take: int, **_: object) -> None:
    stints.begin(UUID(tenant_id), UUID(subscription_id), take)


@shared_task
def forget_old_deliveries(**_: object) -> None:
    forgetting.forget_old()
