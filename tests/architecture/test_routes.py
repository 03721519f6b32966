"""Every route of the API, found in the URL configuration, keeps the rules that hold for all."""

import re
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from integrationhub.core import catalogue
from integrationhub.core.authentication import BearerAuthentication
from integrationhub.core.mutual_tls import ClientCertificate
from integrationhub.core.views import HubView
from tests.environment import PLATFORM_TENANT
from tests.make import Api, another_tenant

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[tuple[str, type[HubView]]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        elif issubclass(getattr(pattern.callback, "cls", object), HubView):
            yield path.replace("/integrationhub/<str:version>", ""), pattern.callback.cls


ROUTES = sorted(routes(get_resolver().url_patterns), key=lambda route: route[0])
GUARDED = [(path, view) for path, view in ROUTES if view.authentication_classes == [BearerAuthentication]]
INTERNAL = [(path, view) for path, view in ROUTES if view.authentication_classes == [ClientCertificate]]
OPEN = {path for path, view in ROUTES if not view.authentication_classes}


def filled(path: str) -> str:
    """The route with an id that nothing has."""
    return re.sub(r"<[^>]+>", str(uuid4()), path)


def ids(route: tuple[str, type[HubView]]) -> str:
    return route[0]


def test_what_is_open_without_a_token_is_a_short_list() -> None:
    by_signature = {
        "/whatsapp/webhook",
        "/webhooks/whatsapp",
        "/webhooks/ingest/<str:provider_key>/<str:endpoint_token>",
    }
    assert {"/errors", "/errors/<str:code>"} | by_signature == OPEN
    assert GUARDED
    assert {path for path, _ in [*GUARDED, *INTERNAL]}.isdisjoint(OPEN)


def test_what_is_for_sibling_services_stands_apart() -> None:
    assert [path for path, _ in INTERNAL] == [path for path, _ in ROUTES if path.startswith("/internal/")]
    assert INTERNAL


@pytest.mark.parametrize("route", INTERNAL, ids=ids)
def test_without_a_gateway_every_method_is_refused_an_admin_of_the_platform_too(
    route: tuple[str, type[HubView]],
) -> None:
    for method in METHODS:
        answer = Api(UUID(PLATFORM_TENANT)).request(method, filled(route[0]), {})
        assert (answer.status_code, answer.json()["code"]) == (401, catalogue.MTLS_REQUIRED.code), method


@pytest.mark.parametrize("route", GUARDED, ids=ids)
def test_without_a_token_every_method_is_unauthorized(route: tuple[str, type[HubView]]) -> None:
    for method in METHODS:
        answer = Client().generic(method, f"/integrationhub/v1{filled(route[0])}")
        assert (answer.status_code, answer.json()["code"]) == (401, catalogue.UNAUTHORIZED.code), method


@pytest.mark.parametrize("route", GUARDED, ids=ids)
def test_without_a_role_every_method_is_forbidden(route: tuple[str, type[HubView]], tenant: object) -> None:
    nobody = another_tenant().as_role("visitor")
    for method in METHODS:
        answer = nobody.request(method, filled(route[0]), {})
        assert (answer.status_code, answer.json()["code"]) == (403, catalogue.RBAC_FORBIDDEN.code), method


@pytest.mark.parametrize("route", GUARDED, ids=ids)
def test_the_lowest_role_of_each_method_is_kept(route: tuple[str, type[HubView]], api: Api) -> None:
    path, view = route
    for method, lowest in view.roles.items():
        below = {"organizer": "user", "admin": "organizer"}.get(lowest)
        if below:
            assert api.as_role(below).request(method, filled(path), {}).status_code == 403, method


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in INTERNAL], ids=ids)
def test_a_method_that_is_not_there_is_405_in_the_envelope(route: tuple[str, type[HubView]], api: Api) -> None:
    path, view = route
    for method in METHODS:
        if not hasattr(view, method.lower()):
            answer = api.request(method, filled(path), {})
            assert (answer.status_code, answer.json()["details"]["reason"]) == (405, "method_not_allowed"), method


@pytest.mark.parametrize("route", [route for route in GUARDED if "<" in route[0]], ids=ids)
def test_an_id_that_nothing_has_is_never_a_fault_of_ours(route: tuple[str, type[HubView]], api: Api) -> None:
    path, view = route
    for method in METHODS:
        if hasattr(view, method.lower()):
            answer = api.request(method, filled(path), {})
            # Whether Meta has a file cannot be said without an account.
            is_metas = answer.json()["code"] == catalogue.WHATSAPP_NOT_CONFIGURED.code
            assert answer.status_code in (400, 403, 404) or is_metas, (method, answer.content)
            assert answer.json()["code"] in catalogue.ENTRIES
