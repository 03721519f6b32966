"""A small API of its own, so that the tests of the edge do not depend on the apps behind it."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.db import OperationalError
from django.http import HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response

from integrationhub.core import health
from integrationhub.core.catalogue import ENTRIES, EXECUTION_FAILED, Entry
from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.core.http import HubRequest
from integrationhub.core.pagination import page
from integrationhub.core.representation import AsGiven
from integrationhub.core.views import HubView
from integrationhub.pages import refusals
from providers.models import Provider

PER_MINUTE = 60


def limits_of(tenant_id: UUID) -> SimpleNamespace:
    return SimpleNamespace(requests_per_minute=PER_MINUTE)


def no_limits(tenant_id: UUID) -> SimpleNamespace:
    return SimpleNamespace(requests_per_minute=None)


class ExecutionFailed(HubError):
    entry = EXECUTION_FAILED


class Catalogued(HubError):
    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        super().__init__()


class Echo(HubView):
    roles = {"POST": "organizer", "DELETE": "admin"}
    platform_only = frozenset({"PUT"})

    def get(self, request: HubRequest, version: str) -> Response:
        return Response({"tenant_id": request.user.tenant_id, "version": version, "roles": request.user.roles})

    def post(self, request: HubRequest, version: str) -> Response:
        return Response({"body": request.data}, status=201)

    def put(self, request: HubRequest, version: str) -> Response:
        return Response({})

    def delete(self, request: HubRequest, version: str) -> Response:
        return Response(status=204)


class OptionalBody(HubView):
    body_is_optional = True

    def post(self, request: HubRequest, version: str) -> Response:
        return Response({"body": request.data})


class Executing(HubView):
    rate_limit = "executions"
    unforeseen = ExecutionFailed

    def get(self, request: HubRequest, version: str) -> Response:
        return Response({})

    def post(self, request: HubRequest, version: str) -> Response:
        raise OperationalError("the server closed the connection: password=hunter22")


class Rows(HubView):
    def get(self, request: HubRequest, version: str) -> Response:
        order = request.GET.get("by", "-id").split(",")
        return Response(
            page(
                request,
                Provider.objects.filter(provider_key__startswith="row_"),
                serialize=lambda row: row.provider_key,
                order=order,
            )
        )


class Faulty(HubView):
    """Fails in the way that the path names."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []

    def get(self, request: HubRequest, version: str, how: str) -> Response:
        raise FAULTS[how]() if how in FAULTS else Catalogued(ENTRIES[how])

    def post(self, request: HubRequest, version: str, how: str) -> Response:
        Order(data=request.data).is_valid(raise_exception=True)
        return Response({})


class Line(serializers.Serializer):
    sku = serializers.CharField()
    count = serializers.IntegerField(min_value=1)


class Order(serializers.Serializer):
    name = serializers.CharField(max_length=3)
    address = serializers.DictField(child=serializers.IntegerField())
    lines = Line(many=True)


FAULTS: dict[str, Any] = {
    "bug": lambda: RuntimeError("canary-secret-7781"),
    "database": lambda: OperationalError("canary-secret-7781"),
    "conflict": lambda: InvalidRequest("Busy.", status=409, reason="in_progress", retry_after=0.2),
    "keys": lambda: InvalidRequest(
        reason="x", provider_key="a", nested=[{"upstream_status": 503}], given=AsGiven(their_key=1)
    ),
}


def html(request: Any, version: str) -> HttpResponse:
    return HttpResponse("<h1>no</h1>", status=403)


def redirect(request: Any, version: str) -> HttpResponse:
    return HttpResponse(status=301, headers={"Location": "/"})


def connect(request: Any, one_time_token: str) -> HttpResponse:
    return HttpResponse()


def bug(request: Any, version: str) -> HttpResponse:
    raise RuntimeError("canary-secret-7781")


API = "integrationhub/<str:version>"
urlpatterns = [
    path(f"{API}/echo", Echo.as_view()),
    path(f"{API}/optional", OptionalBody.as_view()),
    path(f"{API}/executing", Executing.as_view()),
    path(f"{API}/rows", Rows.as_view()),
    path(f"{API}/faulty/<str:how>", Faulty.as_view()),
    path(f"{API}/html", html),
    path(f"{API}/redirect", redirect),
    path(f"{API}/bug", bug),
    path("connect/<str:one_time_token>", connect),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]

handler400 = refusals.bad_request
handler403 = refusals.permission_denied
handler404 = refusals.not_found
handler500 = refusals.server_error
