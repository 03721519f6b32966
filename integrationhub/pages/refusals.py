"""Errors for whoever asks: a page for a browser, the API's envelope for everything else."""

import logging

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from integrationhub.core import exception_handler
from integrationhub.core.errors import HubError, Unexpected

logger = logging.getLogger(__name__)
API = "/integrationhub/"


def wants_page(request: HttpRequest) -> bool:
    """Whether the caller prefers HTML. The API itself answers in JSON to everybody, browsers included."""
    if request.path.startswith(API) or not request.headers.get("Accept"):
        return False
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def answer(error: HubError, request: HttpRequest, template: str = "pages/refusal.html") -> HttpResponse:
    """The error, as a page of this template or as the envelope."""
    if not wants_page(request):
        return exception_handler.respond(error, request)
    shown = {"error": error, "request_id": exception_handler.request_id_of(request)}
    page = render(request, template, shown, status=error.status)
    for name, value in error.headers.items():
        page[name] = value
    return page


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`."""
    return answer(exception_handler.translate(exception), request)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler403`."""
    return answer(exception_handler.translate(exception), request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler404`."""
    return answer(exception_handler.unknown_path(), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`. A page's template may be what failed, so this one needs neither request nor settings."""
    answer_for_programs = exception_handler.server_error(request)
    if not wants_page(request):
        return answer_for_programs
    shown = {"error": Unexpected(), "request_id": exception_handler.request_id_of(request)}
    return render(None, "pages/refusal.html", shown, status=500)
