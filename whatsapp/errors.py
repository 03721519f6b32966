"""What can go wrong with WhatsApp before Meta is asked. What Meta refuses is an error of `providers.meta_refusals`.

HubError
└── WhatsappNotConfigured     no credential is bound, and the deployment's settings name no account
"""

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError


class WhatsappNotConfigured(HubError):
    entry = catalogue.WHATSAPP_NOT_CONFIGURED
