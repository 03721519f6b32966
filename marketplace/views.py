from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest
from integrationhub.core.pagination import PageParameters, filters, page
from integrationhub.core.tenancy import tenant_scope
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed
from marketplace import installing
from marketplace.models import Installation, Integration
from marketplace.serializers import (
    InstallationList,
    InstallationRow,
    IntegrationFilters,
    IntegrationList,
    IntegrationRow,
)


def represent(integration: Integration) -> dict:
    return IntegrationRow(integration).data


def represent_installation(installation: Installation) -> dict:
    return InstallationRow(installation).data


class Marketplace(HubView):
    failures = {"GET": (catalogue.INVALID_REQUEST,)}

    @extend_schema(
        summary="List what can be installed",
        parameters=[IntegrationFilters, PageParameters],
        responses={200: IntegrationList},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        tenant_id, wanted = request.user.tenant_id, filters(request, IntegrationFilters)
        with tenant_scope(tenant_id):
            rows = installing.on_shelf(tenant_id=tenant_id, **wanted)
            return Response(page(request, rows, serialize=represent, order=("slug",)))


class OneOnTheShelf(HubView):
    failures = {"GET": (catalogue.INTEGRATION_NOT_FOUND,)}

    @extend_schema(summary="Read one integration, by id or slug", responses={200: IntegrationRow})
    def get(self, request: HubRequest, version: str, id_or_slug: str) -> Response:
        found = installing.find_on_shelf(tenant_id=request.user.tenant_id, id_or_slug=id_or_slug)
        return Response(represent(found))


class Install(HubView):
    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {"POST": (catalogue.INTEGRATION_NOT_FOUND, catalogue.ADAPTER_NOT_FOUND, catalogue.INVALID_REQUEST)}

    @extend_schema(
        summary="Install an integration for this tenant",
        request={"application/json": installing.INSTALL_SCHEMA},
        responses={201: InstallationRow},
    )
    @keyed
    def post(self, request: HubRequest, version: str, id_or_slug: str) -> Response:
        who = request.user
        made = installing.install(
            tenant_id=who.tenant_id, id_or_slug=id_or_slug, asked=request.data, subject=who.subject
        )
        return Response(represent_installation(made), status=201)


class Installed(HubView):
    failures = {"GET": (catalogue.INVALID_REQUEST,)}

    @extend_schema(
        summary="List what is installed, in the order in which it is tried",
        parameters=[PageParameters],
        responses={200: InstallationList},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        tenant_id = request.user.tenant_id
        with tenant_scope(tenant_id):
            rows = installing.installed(tenant_id=tenant_id)
            return Response(page(request, rows, serialize=represent_installation, order=installing.TRIED_IN))


class OneInstalled(HubView):
    roles = {"PATCH": "organizer", "DELETE": "organizer"}
    failures = {
        "GET": (catalogue.INTEGRATION_NOT_FOUND,),
        "PATCH": (catalogue.INTEGRATION_NOT_FOUND, catalogue.INVALID_REQUEST),
        "DELETE": (catalogue.INTEGRATION_NOT_FOUND,),
    }

    @extend_schema(summary="Read one installed integration", responses={200: InstallationRow})
    def get(self, request: HubRequest, version: str, installation_id: str) -> Response:
        found = installing.get(tenant_id=request.user.tenant_id, installation_id=installation_id)
        return Response(represent_installation(found))

    @extend_schema(
        summary="Enable, disable, order or configure an installed integration",
        request={"application/json": installing.CHANGE_SCHEMA},
        responses={200: InstallationRow},
    )
    def patch(self, request: HubRequest, version: str, installation_id: str) -> Response:
        who = request.user
        changed = installing.configure(
            tenant_id=who.tenant_id, installation_id=installation_id, changes=request.data, subject=who.subject
        )
        return Response(represent_installation(changed))

    @extend_schema(summary="Uninstall an integration", responses={204: None})
    def delete(self, request: HubRequest, version: str, installation_id: str) -> Response:
        who = request.user
        installing.uninstall(tenant_id=who.tenant_id, installation_id=installation_id, subject=who.subject)
        return Response(status=204)
