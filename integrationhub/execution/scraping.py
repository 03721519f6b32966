"""`/metrics` in the text format of Prometheus, for who brings `METRICS_TOKEN`; to all others there is nothing here.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import hmac

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest

from integrationhub.core import request_times
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.exception_handler import respond
from integrationhub.execution.figures import Figures


def metrics(request: HttpRequest) -> HttpResponse:
    """Raises Http404 for a caller without the token, and for everybody while none is set."""
    if not _has_token(request):
        raise Http404
    if request.method not in ("GET", "HEAD"):
        return respond(InvalidRequest(status=405, reason="method_not_allowed", headers={"Allow": "GET, HEAD"}), request)
    registry = CollectorRegistry()
    registry.register(Figures())
    request_times.register(registry)
    return HttpResponse(
        generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4, headers={"Cache-Control": "no-store"}
    )


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_right = hmac.compare_digest(token.encode(), settings.METRICS_TOKEN.encode())
    return bool(settings.METRICS_TOKEN) and scheme.lower() == "bearer" and is_right
