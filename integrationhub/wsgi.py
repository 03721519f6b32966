"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from integrationhub.core.checks import refuse_unsafe

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrationhub.settings")

application = get_wsgi_application()
refuse_unsafe()
