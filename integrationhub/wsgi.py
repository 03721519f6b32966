"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from integrationhub.core.checks import refuse_unsafe
from integrationhub.core.short_way import ShortWay

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrationhub.settings")

application = ShortWay(get_wsgi_application(), ["/webhooks/whatsapp"])
refuse_unsafe()
