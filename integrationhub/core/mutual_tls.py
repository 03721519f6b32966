"""Which sibling service is calling. It shows its certificate to the gateway, and the gateway tells us.

Anyone may send such headers. They count from a trusted address and with the gateway's secret only, and a certificate
that was verified is not yet one that is allowed: the authority signs for others too.
"""

import hmac
import logging
from typing import Any

import structlog
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from integrationhub.core.client_certificates import READERS, shown
from integrationhub.core.errors import MtlsRequired
from integrationhub.core.gateway_trust import Trust, trust
from integrationhub.core.http import Service
from integrationhub.core.outbound import addresses

logger = logging.getLogger(__name__)

SECRET = "HTTP_X_GATEWAY_AUTH"  # noqa: S105  The header that holds it.
# Of every format: what the settings do not name is not read, and does not stay either.
GATEWAY_HEADERS = (
    SECRET,
    "HTTP_X_SSL_CLIENT_VERIFY",
    "HTTP_X_SSL_CLIENT_CERT",
    "HTTP_X_SSL_CLIENT_S_DN",
    "HTTP_X_FORWARDED_CLIENT_CERT",
    "HTTP_CLIENT_CERT",
    "HTTP_CLIENT_CERT_CHAIN",
)


class ClientCertificate(BaseAuthentication):
    """`authentication_classes` of what only sibling services may do; the caller is a `Service`."""

    openapi_scheme = "mutualTLS"

    def authenticate(self, request: Request) -> tuple[Service, None]:
        """Raises MtlsRequired. The gateway's headers are gone from the request afterwards, whatever came of it."""
        try:
            service = _verified(request._request)
        except MtlsRequired as refused:
            logger.warning("mtls_refused", extra={"peer": request.META.get("REMOTE_ADDR", ""), **refused.details})
            raise
        structlog.contextvars.bind_contextvars(service=service.identity)
        return service, None


def _verified(request: HttpRequest) -> Service:
    headers = _taken(request)
    known = trust()
    if known is None:
        raise MtlsRequired("This hub takes no internal calls: no gateway is configured.", reason="not_configured")
    if not _is_trusted_peer(request.META.get("REMOTE_ADDR", ""), known):
        raise MtlsRequired("The request did not come from the gateway.", reason="untrusted_peer")
    if not _has_secret(headers.get(SECRET, ""), known):
        raise MtlsRequired("The gateway did not prove itself.", reason="gateway_not_authenticated")
    identity = READERS[known.header_format](headers).identity()
    if identity not in known.identities:
        # For the operator, who may want to add it; the caller knows its own name.
        logger.warning("mtls_identity_not_allowed", extra={"identity": shown(identity)[:500]})
        raise MtlsRequired("This client certificate is not one of those allowed.", reason="identity_not_allowed")
    return Service(shown(identity))


def _taken(request: HttpRequest) -> dict[str, Any]:
    """The gateway's headers, taken out of the request, so that no later code can read, trust or log them."""
    found = {name: request.META.pop(name) for name in GATEWAY_HEADERS if name in request.META}
    vars(request).pop("headers", None)  # Django's own copy of them, if something has asked for it.
    return found


def _is_trusted_peer(peer: str, known: Trust) -> bool:
    """`peer` is the other end of the connection. X-Forwarded-For is what anyone likes to write, and not looked at."""
    try:
        return addresses.is_within(addresses.parse(peer), known.proxies)
    except ValueError:
        return False  # A Unix socket has no address.


def _has_secret(given: str, known: Trust) -> bool:
    return any([hmac.compare_digest(given.encode(), secret.encode()) for secret in known.secrets])
