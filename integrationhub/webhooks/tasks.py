from collections.abc import Collection
from uuid import UUID

from celery import shared_task

from integrationhub.webhooks import forgetting, handling, processing


@shared_task
def process_posts(*, tenant_id: str, ids: Collection[str], **_: object) -> None:
    processing.process(UUID(tenant_id), [UUID(each) for each in ids])


@shared_task
def handle_events(*, tenant_id: str, ids: Collection[str], **_: object) -> None:
    handling.handle_again(UUID(tenant_id), [UUID(each) for each in ids])


@shared_task
def give_what_was_kept(*, tenant_id: str, phone_number_id: str, after: str = "", **_: object) -> None:
    processing.assign_kept(UUID(tenant_id), phone_number_id, UUID(after) if after else UUID(int=0))


@shared_task
def forget_old_webhooks(**_: object) -> None:
    forgetting.forget_old()
