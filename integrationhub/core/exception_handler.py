"""Any exception becomes an entry of the catalogue, and every entry leaves in one envelope."""

import logging
import math
import re
import sys
from datetime import UTC, datetime
from typing import Any

import psycopg_pool
from django.conf import settings
from django.core import exceptions as django_errors
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils.encoding import iri_to_uri
from django.utils.module_loading import import_string
from rest_framework import exceptions as rest_errors

from integrationhub.core import serializer_faults
from integrationhub.core.errors import (
    HubError,
    InvalidRequest,
    RateLimitExceeded,
    RbacForbidden,
    Unauthorized,
    Unexpected,
)
from integrationhub.core.ids import new_id
from integrationhub.core.representation import JSON, PROBLEM, AsGiven, encode, moment, wants_problem

logger = logging.getLogger(__name__)

DATABASE_AWAY = (OperationalError, InterfaceError, psycopg_pool.PoolTimeout)
DATABASE_RETRY_SECONDS = 2
GUESSED_RETRY_SECONDS = 5
_LONGEST_PATH = 2_000
# Members of `details` that stand at the top level as well.
_RAISED = ("supported_versions", "migration_guide", "retry_after")


def handle(exc: Exception, context: dict[str, Any]) -> HttpResponse:
    """REST framework's `EXCEPTION_HANDLER`. Of a 401 or 403 it tells `settings.REFUSAL_RECORDER`."""
    unforeseen = getattr(context.get("view"), "unforeseen", Unexpected)
    error = translate(exc, unforeseen)
    if error.status in (401, 403):
        import_string(settings.REFUSAL_RECORDER)(error, context["request"])
    return respond(error, context["request"]._request)


def translate(exc: Exception, unforeseen: type[HubError] = Unexpected) -> HubError:
    """The exception as an error of the catalogue; one that nobody foresaw is logged here, once, and keeps its text."""
    if isinstance(exc, HubError):
        return exc
    if isinstance(exc, DATABASE_AWAY):
        logger.error("database_unavailable", extra={"reason": type(exc).__name__}, exc_info=exc)
        return unforeseen(
            "The database is unavailable.",
            retryable=True,
            retry_after=DATABASE_RETRY_SECONDS,
            reason="database_unavailable",
        )
    for kind, make in _FRAMEWORK.items():
        if isinstance(exc, kind):
            return make(exc)
    logger.error("unexpected_error", exc_info=exc)
    return unforeseen()


def _validation(exc: Any) -> HubError:
    fields = serializer_faults.faults(exc.detail)
    names = ", ".join(dict.fromkeys(field["field"] for field in fields)) or "the body"
    return InvalidRequest(f"Not valid: {names[:500]}.", reason="invalid_fields", fields=fields)


def _method_not_allowed(exc: Any) -> HubError:
    return InvalidRequest(str(exc.detail), status=405, reason="method_not_allowed")


def _unsupported_media_type(exc: Any) -> HubError:
    return InvalidRequest(
        "The Content-Type of the request is not one that this path reads.",
        status=415,
        reason="unsupported_media_type",
        expected=JSON,
    )


def unknown_path() -> InvalidRequest:
    return InvalidRequest("There is nothing at this path.", status=404, reason="unknown_path")


def unknown_host() -> InvalidRequest:
    return InvalidRequest("The Host header does not name this service.", reason="unknown_host")


# The first class that fits decides, so subclasses stand before their base.
_FRAMEWORK: dict[type[Exception], Any] = {
    rest_errors.ValidationError: _validation,
    rest_errors.ParseError: lambda exc: InvalidRequest(str(exc.detail), reason="malformed_body"),
    rest_errors.NotAuthenticated: lambda exc: Unauthorized(reason="missing_token"),
    rest_errors.AuthenticationFailed: lambda exc: Unauthorized(reason="malformed"),
    rest_errors.PermissionDenied: lambda exc: RbacForbidden(),
    rest_errors.MethodNotAllowed: _method_not_allowed,
    rest_errors.NotAcceptable: lambda exc: InvalidRequest(str(exc.detail), status=406, reason="not_acceptable"),
    rest_errors.UnsupportedMediaType: _unsupported_media_type,
    rest_errors.Throttled: lambda exc: RateLimitExceeded(retry_after=exc.wait or 1),
    rest_errors.NotFound: lambda exc: unknown_path(),
    Http404: lambda exc: unknown_path(),
    django_errors.PermissionDenied: lambda exc: RbacForbidden(),
    django_errors.DisallowedHost: lambda exc: unknown_host(),
    django_errors.RequestDataTooBig: lambda exc: InvalidRequest(
        "The request body is too large.", status=413, reason="body_too_large"
    ),
    django_errors.SuspiciousOperation: lambda exc: InvalidRequest(reason="malformed_request"),
    django_errors.BadRequest: lambda exc: InvalidRequest(reason="malformed_request"),
    UnreadablePostError: lambda exc: InvalidRequest("The request body broke off.", reason="incomplete_body"),
}


def envelope(error: HubError, request: HttpRequest) -> dict[str, Any]:
    """The body of an error: the five members of the reference first, then ours, `details` and the problem's last."""
    details = dict(error.details)
    if (wait := _wait(error)) is not None:
        details["retry_after"] = wait
    path = _safe_path(request)
    body: dict[str, Any] = {
        "statusCode": error.status,
        "code": error.entry.code,
        "message": error.message,
        "path": path,
        "timestamp": moment(datetime.now(UTC)),
        "requestId": request_id_of(request),
        "resolution": error.entry.resolution,
        "docsUrl": f"{settings.PUBLIC_BASE_URL}/docs/errors/{error.entry.code}",
        "retryable": error.is_retryable,
    }
    body |= {_camel(name): details[name] for name in _RAISED if name in details}
    if details:
        body["details"] = _camel_keys(details)
    if wants_problem(request):
        body |= {
            "type": body["docsUrl"],
            "title": error.entry.message,
            "status": error.status,
            "detail": error.message,
            "instance": iri_to_uri(path),
        }
    return body


def respond(error: HubError, request: HttpRequest) -> HttpResponse:
    """The error as an answer, with the headers that belong to it. Usable wherever there is a request."""
    answer = HttpResponse(
        encode(envelope(error, request)),
        status=error.status,
        content_type=PROBLEM if wants_problem(request) else JSON,
        headers=error.headers,
    )
    if error.status == 401:
        answer.headers.setdefault("WWW-Authenticate", "Bearer")
    if (wait := _wait(error)) is not None:
        answer["Retry-After"] = str(wait)
    return answer


def _wait(error: HubError) -> int | None:
    """What `Retry-After` says: what the error knows; a guess where HTTP wants one, since a retry may well succeed."""
    if error.retry_after is not None:
        return whole_seconds(error.retry_after)
    return GUESSED_RETRY_SECONDS if error.status == 429 or (error.status == 503 and error.is_retryable) else None


def whole_seconds(seconds: float) -> int:
    """Seconds as `Retry-After` has them: whole, rounded up, at least one."""
    # Rounded first, so that 30 s less the dust of floating point are not 31.
    return max(1, math.ceil(round(seconds, 3)))


def request_id_of(request: HttpRequest) -> str:
    """The request's id; one is made where the middleware was never reached."""
    if not hasattr(request, "request_id"):
        request.request_id = str(new_id())  # type: ignore[attr-defined]
    return request.request_id  # type: ignore[attr-defined]


def _safe_path(request: HttpRequest) -> str:
    def escaped(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))

    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]", escaped, request.path[:_LONGEST_PATH])


def _camel(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])_([a-z0-9])", lambda match: match[1].upper(), name)


def _camel_keys(value: Any) -> Any:
    if isinstance(value, AsGiven):
        return value
    if isinstance(value, dict):
        return {_camel(str(key)): _camel_keys(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_camel_keys(item) for item in value]
    return value


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`; Django calls it while the exception is being handled."""
    error = sys.exception()
    return respond(translate(error) if isinstance(error, Exception) else Unexpected(), request)
