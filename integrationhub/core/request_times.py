"""How long requests took, for `/metrics`: one histogram, which counts them too.

Every label is of a closed set: no id, no address and no word of a caller is one.
"""

import os
import re
from functools import cache

from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
API = "integrationhub/<str:version>/"
# What no route of ours answered: an unknown path, a file, a request that was refused before it was looked up.
OTHER = "other"

TIMES = Histogram(
    "hub_http_request_seconds",
    "Requests answered, and how long they took.",
    ["route", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0),
    registry=None,
)


def note(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Count a request that is over; it costs some microseconds."""
    route = request.resolver_match.route if request.resolver_match else ""
    method = request.method if request.method in METHODS else OTHER
    TIMES.labels(_named(route), method, f"{response.status_code // 100}xx").observe(seconds)


def register(registry: CollectorRegistry) -> None:
    """Add what was counted: by all processes of the server, or by this one alone where none has been started."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)
    else:
        registry.register(TIMES)


@cache
def _named(route: str) -> str:
    """A route of the API as it is documented, less the version; of all others the first part, as in `/admin`."""
    if route.startswith(API):
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.removeprefix(API))
    first = re.match(r"\^?([\w.-]+)", route)
    return f"/{first[1]}" if first else OTHER
