from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "integrationhub.outbox"
    label = "outbox"
