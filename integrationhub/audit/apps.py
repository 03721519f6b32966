from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "integrationhub.audit"
    label = "audit"
