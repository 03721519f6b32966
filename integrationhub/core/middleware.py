"""The outermost layer: a request id, a readable URL, a known version; and one log line when it is over."""

import logging
import re
import time
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import structlog
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from integrationhub.core import request_times, versioning
from integrationhub.core.errors import HubError, InvalidRequest, Unexpected
from integrationhub.core.exception_handler import respond, unknown_host, unknown_path
from integrationhub.core.ids import new_id
from integrationhub.core.logs import HIDDEN

access = logging.getLogger("integrationhub.access")

API = "/integrationhub/"
# Registered with providers, and so free of the version; what else holds for the API's answers holds there too.
RECEIVERS = "/webhooks/"
MAX_URL_BYTES = 4096
MAX_HEADER_BYTES = 8 * 1024
MAX_HEADERS_BYTES = 32 * 1024
# Probes and files would drown the log.
QUIET = ("/healthz", "/readyz", "/metrics", "/static/")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class HubMiddleware:
    """Every request passes here first, every answer last; what is refused here never reaches a view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = request.headers.get("x-request-id", "")
        request.request_id = request_id if _REQUEST_ID.fullmatch(request_id) else str(new_id())  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request.request_id)  # type: ignore[attr-defined]
        try:
            _check(request)
            response = _in_the_envelope(self.get_response(request), request)
        except HubError as error:
            response = respond(error, request)
        _finish(request, response)
        seconds = time.perf_counter() - started
        request_times.note(request, response, seconds)
        _log(request, response, seconds)
        return response


def _check(request: HttpRequest) -> None:
    version = _version(request)
    if version in versioning.supported():
        request.hub_version = version  # type: ignore[attr-defined]
    _check_size(request)
    _check_encoding(request)
    try:
        request.get_host()
    except DisallowedHost as error:
        raise unknown_host() from error
    if is_api(request):
        if not version:
            raise unknown_path()
        versioning.check(version)


def _version(request: HttpRequest) -> str:
    return request.path.removeprefix(API).partition("/")[0] if request.path.startswith(API) else ""


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API) or request.path == API.rstrip("/")


def is_for_programs(request: HttpRequest) -> bool:
    """Whether no person reads the answer: no session, no form, no page of HTML."""
    return is_api(request) or request.path.startswith(RECEIVERS)


def _check_size(request: HttpRequest) -> None:
    raw = request.META.get("RAW_URI") or request.META.get("PATH_INFO", "") + request.META.get("QUERY_STRING", "")
    if len(raw) > MAX_URL_BYTES:
        raise InvalidRequest(
            f"The URL is longer than {MAX_URL_BYTES} bytes.", status=414, reason="url_too_long", max_bytes=MAX_URL_BYTES
        )
    sizes = {name: len(value) for name, value in request.META.items() if name.startswith("HTTP_")}
    # The token has a limit and an answer of its own.
    longest = max((size for name, size in sizes.items() if name != "HTTP_AUTHORIZATION"), default=0)
    if longest > MAX_HEADER_BYTES or sum(sizes.values()) > MAX_HEADERS_BYTES:
        raise InvalidRequest(
            f"The request's headers are too large: {MAX_HEADER_BYTES} bytes for one, {MAX_HEADERS_BYTES} for all.",
            status=431,
            reason="headers_too_large",
        )


def _check_encoding(request: HttpRequest) -> None:
    if "\0" in request.path:
        raise InvalidRequest("The path holds a NUL character.", reason="nul_character", part="path")
    if query := request.META.get("QUERY_STRING", "").encode("latin-1", "replace"):
        _check_query(request, query)


def _check_query(request: HttpRequest, query: bytes) -> None:
    plain = unquote_to_bytes(query)
    if b"\0" in plain:
        raise InvalidRequest("The query holds a NUL character.", reason="nul_character", part="query")
    # Bytes of the path that are no UTF-8 need no check: Django leaves them percent-encoded, and no path has such.
    try:
        plain.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("The query is not UTF-8.", reason="bad_encoding", part="query") from error
    if is_api(request) and re.search(rb"%(?![0-9A-Fa-f]{2})", query):
        raise InvalidRequest("The query holds a '%' without two digits.", reason="bad_encoding", part="query")


def _in_the_envelope(response: HttpResponse, request: HttpRequest) -> HttpResponse:
    """Whatever another layer answered to a path of the API, an error of the API is never a page of HTML."""
    if not is_for_programs(request) or response.status_code < 300:
        return response
    if not 300 <= response.status_code < 400 and "json" in response.get("Content-Type", ""):
        return response
    if response.status_code >= 500:
        return respond(Unexpected(), request)
    status = 404 if response.status_code < 400 else response.status_code
    return respond(
        InvalidRequest(status=status, reason="unknown_path" if status == 404 else "malformed_request"), request
    )


def _finish(request: HttpRequest, response: HttpResponse) -> None:
    response["x-request-id"] = request.request_id  # type: ignore[attr-defined]
    if not response.streaming:
        # An answer from here has passed no other layer; without a length it would go out in chunks.
        response.headers.setdefault("Content-Length", str(len(response.content)))
    if not is_for_programs(request):
        return
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    for name, value in versioning.headers(_version(request)).items():
        response[name] = value


def _loggable_path(request: HttpRequest) -> str:
    """The path without the one-time and endpoint tokens that some addresses hold."""
    path, match = request.path, request.resolver_match
    for name, value in (match.kwargs if match else {}).items():
        if "token" in name:
            path = path.replace(str(value), HIDDEN)
    return path[:500]


def _log(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    level = logging.DEBUG if request.path.startswith(QUIET) else logging.INFO
    access.log(
        level,
        "request",
        extra={
            "method": (request.method or "")[:20],
            "path": _loggable_path(request),
            "status": response.status_code,
            "ms": round(seconds * 1000, 1),
        },
    )
