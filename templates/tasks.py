from uuid import UUID

from celery import shared_task

from templates import sync


@shared_task
def ask_for_syncs(**_: object) -> None:
    sync.ask_for_all()


@shared_task
def sync_templates(*, tenant_id: str, run_id: str, **_: object) -> None:
    sync.attend_to(tenant_id=UUID(tenant_id), run_id=UUID(run_id))
