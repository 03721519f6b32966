from uuid import UUID

from celery import shared_task

from credentials import expiring, hashicorp_vault, rotating, verifying


@shared_task
def tell_expiry(**_: object) -> None:
    expiring.tell()


@shared_task
def wipe_abandoned_rotations(**_: object) -> None:
    rotating.wipe_abandoned()


@shared_task
def sweep_the_vault(**_: object) -> None:
    hashicorp_vault.sweep()


@shared_task
def ask_again(*, tenant_id: str, credential_id: str, **_: object) -> None:
    verifying.ask_again(tenant_id=UUID(tenant_id), credential_id=credential_id)
