from uuid import UUID

from celery import shared_task

from oauth import upkeep


@shared_task
def refresh_connections(**_: object) -> None:
    upkeep.ask_for_what_is_due()


@shared_task
def attend_to_connection(*, tenant_id: str, connection_id: str, token_version: int, **_: object) -> None:
    upkeep.attend_to(tenant_id=UUID(tenant_id), connection_id=UUID(connection_id), token_version=token_version)


@shared_task
def tell_of_ends(**_: object) -> None:
    upkeep.tell_of_ends()


@shared_task
def forget_old_flows(**_: object) -> None:
    upkeep.forget_old_flows()
