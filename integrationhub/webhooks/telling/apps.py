from django.apps import AppConfig


class TellingConfig(AppConfig):
    name = "integrationhub.webhooks.telling"
    verbose_name = "Webhook subscriptions"
