"""The one way out of the hub. Nothing else opens a connection to another host on a tenant's or provider's behalf."""

from integrationhub.core.outbound.client import Answer, Client, deployment_client
from integrationhub.core.outbound.errors import AddressBlocked, AnswerLost, NotSent, OutboundError
from integrationhub.core.outbound.sessions import session_over

__all__ = [
    "AddressBlocked",
    "Answer",
    "AnswerLost",
    "Client",
    "NotSent",
    "OutboundError",
    "deployment_client",
    "session_over",
]
