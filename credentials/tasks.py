from celery import shared_task

from credentials import hashicorp_vault


@shared_task
def sweep_the_vault(**_: object) -> None:
    hashicorp_vault.sweep()
