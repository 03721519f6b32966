from celery import shared_task

from marketplace import thresholds


@shared_task
def tell_usage(**_: object) -> None:
    thresholds.tell()
