"""What can go wrong with what a tenant installs and may use."""

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError


class IntegrationNotFound(HubError):
    entry = catalogue.INTEGRATION_NOT_FOUND


class QuotaExceeded(HubError):
    entry = catalogue.QUOTA_EXCEEDED
