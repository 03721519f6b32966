from django.apps import AppConfig


class ExecutionConfig(AppConfig):
    name = "integrationhub.execution"
    label = "execution"
