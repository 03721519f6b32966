"""The service as gunicorn loads it, with the small API of these tests behind the edge."""

from django.conf import settings

from integrationhub import server
from integrationhub.wsgi import application as application

# Two minutes are too long for a test.
server.BODY_SECONDS = 6.0
settings.ROOT_URLCONF = "tests.core.door"
settings.TENANT_LIMITS = "tests.core.door.limits_of"
