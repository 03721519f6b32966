from celery import shared_task

from credentials import expiring, rotating


@shared_task
def tell_expiry(**_: object) -> None:
    expiring.tell()


@shared_task
def wipe_abandoned_rotations(**_: object) -> None:
    rotating.wipe_abandoned()
