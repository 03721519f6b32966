from django.apps import AppConfig


class StorageConfig(AppConfig):
    name = "integrationhub.storage"
