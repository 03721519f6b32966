from integrationhub.core import catalogue
from integrationhub.core.errors import HubError


class WebhookNotFound(HubError):
    entry = catalogue.WEBHOOK_NOT_FOUND
