from django.apps import AppConfig


class IdempotencyConfig(AppConfig):
    name = "integrationhub.idempotency"
    label = "idempotency"
