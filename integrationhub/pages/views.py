import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from integrationhub.core import exception_handler, schema
from integrationhub.core.catalogue import ENTRIES, Entry
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.core.http import HubRequest
from integrationhub.core.representation import JSON, encode
from integrationhub.core.views import HubView
from integrationhub.pages import refusals
from integrationhub.pages.commands import sms
from integrationhub.pages.error_rows import full_row, grouped, matching, page_of, row
from integrationhub.pages.markdown import page_markdown
from integrationhub.pages.sandbox_guide import OUTCOMES
from integrationhub.pages.serializers import ErrorList, ErrorRow

MARKDOWN = "text/markdown"


def entry_of(code: str) -> Entry:
    """The entry of a code. Raises InvalidRequest (404, `error_not_found`)."""
    if code not in ENTRIES:
        message = f"The catalogue has no code '{code[:100]}'; {settings.PUBLIC_BASE_URL}/docs/errors lists them all."
        raise InvalidRequest(message, status=404, reason="error_not_found")
    return ENTRIES[code]


class OpenView(HubView):
    """What needs no token, and so counts in nobody's window."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []


class Errors(OpenView):
    @extend_schema(summary="List the catalogue of errors, whole", responses={200: ErrorList})
    def get(self, request: HubRequest, version: str) -> Response:
        return Response({"data": [row(entry) for entry in ENTRIES.values()]})


class OneError(OpenView):
    @extend_schema(summary="Read one error of the catalogue", responses={200: ErrorRow})
    def get(self, request: HubRequest, version: str, code: str) -> Response:
        return Response(row(entry_of(code)))


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/index.html", {"curl": sms("+15005550503").as_curl(settings.PUBLIC_BASE_URL)})


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    """The codes in which every word of `q` occurs: HTML, or JSON by `Accept`."""
    query = request.GET.get("q", "")[:200].strip()
    found = matching(query)
    if request.get_preferred_type(["text/html", JSON]) == JSON:
        return HttpResponse(encode({"data": [row(entry) for entry in found]}), content_type=JSON)
    shown = {
        "here": "errors",
        "groups": list(grouped(found)),
        "count": len(found),
        "total": len(ENTRIES),
        "query": query,
    }
    return render(request, "pages/errors.html", shown)


@require_safe
def one_error(request: HttpRequest, code: str, suffix: str = "") -> HttpResponse:
    """A code's page: HTML, or by suffix or `Accept` JSON or Markdown."""
    try:
        page = page_of(entry_of(code))
    except InvalidRequest as error:
        return refusals.answer(error, request)
    kinds = {"json": JSON, "md": MARKDOWN}
    kind = kinds.get(suffix) or request.get_preferred_type(["text/html", JSON, MARKDOWN])
    if kind == JSON:
        return HttpResponse(encode(full_row(page)), content_type=JSON)
    if kind == MARKDOWN:
        return HttpResponse(page_markdown(page), content_type=f"{MARKDOWN}; charset=utf-8")
    answer = json.dumps(page.example, indent=2, ensure_ascii=False)
    return render(request, "pages/error.html", {"here": "errors", "page": page, "answer": answer})


@require_safe
def sandbox(request: HttpRequest) -> HttpResponse:
    fallback = sms("+15005550503").as_curl(settings.PUBLIC_BASE_URL)
    return render(request, "pages/sandbox.html", {"here": "sandbox", "outcomes": OUTCOMES, "curl": fallback})


@require_safe
def versions(request: HttpRequest) -> HttpResponse:
    return render(
        request,
        "pages/versions.html",
        {"here": "versions", "versions": settings.API_VERSIONS, "base": settings.PUBLIC_BASE_URL},
    )


@require_safe
def api_reference(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/api.html", {"here": "api"})


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    try:
        document = schema.document(request.GET.get("version", "v1"))
    except HubError as error:
        return exception_handler.respond(error, request)
    return HttpResponse(document, content_type=JSON)
