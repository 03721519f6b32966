"""The service as gunicorn loads it, with the loopback provider and no limit per minute."""

from django.conf import settings

from integrationhub.wsgi import application as application
from providers import registry

settings.TENANT_LIMITS = "tests.core.door.no_limits"
settings.ADAPTER_MODULES = [*settings.ADAPTER_MODULES, "tests.loopback_adapter"]
registry.load()
