"""The service as gunicorn loads it, with the small API of these tests behind the edge."""

from django.conf import settings

from integrationhub.wsgi import application as application

settings.ROOT_URLCONF = "tests.core.door"
settings.TENANT_LIMITS = "tests.core.door.limits_of"
