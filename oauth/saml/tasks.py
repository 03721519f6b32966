from celery import shared_task

from oauth.saml import signing_in


@shared_task
def forget_past_sign_ins(**_: object) -> None:
    signing_in.forget_past()
