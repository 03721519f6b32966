from uuid import UUID

from celery import shared_task

from whatsapp import accounts, fetching, forgetting, media


@shared_task
def ask_for_media(**_: object) -> None:
    media.ask_for_what_is_due()


@shared_task
def forget_old(**_: object) -> None:
    forgetting.forget_old()


@shared_task
def fetch_medium(*, tenant_id: str, medium_id: str, after: int, **_: object) -> None:
    fetching.attend_to(tenant_id=UUID(tenant_id), medium_id=UUID(medium_id), after=after)


@shared_task
def ask_holder(*, tenant_id: str, phone_number_id: str, **_: object) -> None:
    accounts.ask_holder(tenant_id=UUID(tenant_id), phone_number_id=phone_number_id)
