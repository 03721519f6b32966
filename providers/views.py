from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest
from integrationhub.core.pagination import PageParameters, filters, page
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed
from providers import curating, finding, registry
from providers.intents import INTENTS, Intent
from providers.models import Provider, ProviderChange
from providers.recording import Author
from providers.serializers import (
    AdapterBody,
    IntentBody,
    IntentList,
    IntentRow,
    ProviderFilters,
    ProviderList,
    ProviderRow,
)


def represent(provider: Provider) -> dict:
    return ProviderRow(provider).data


def author(request: HubRequest) -> Author:
    return Author(request.user.subject, ProviderChange.Via.API)


class Providers(HubView):
    platform_only = frozenset({"POST"})
    failures = {"GET": (catalogue.INVALID_REQUEST,), "POST": (catalogue.PROVIDER_CREATE_FAILED,)}

    @extend_schema(
        summary="List the providers", parameters=[ProviderFilters, PageParameters], responses={200: ProviderList}
    )
    def get(self, request: HubRequest, version: str) -> Response:
        rows = finding.listed(**filters(request, ProviderFilters))
        return Response(page(request, rows, serialize=represent, order=("position", "provider_key")))

    @extend_schema(
        summary="Add a provider to the catalogue of the whole installation",
        request={"application/json": curating.CREATE_SCHEMA},
        responses={201: ProviderRow},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        return Response(represent(curating.create(request.data, by=author(request))), status=201)


class OneProvider(HubView):
    platform_only = frozenset({"PATCH", "DELETE"})
    failures = {
        "GET": (catalogue.PROVIDER_NOT_FOUND,),
        "PATCH": (catalogue.PROVIDER_NOT_FOUND, catalogue.PROVIDER_CREATE_FAILED),
        "DELETE": (catalogue.PROVIDER_NOT_FOUND,),
    }

    @extend_schema(summary="Read one provider", responses={200: ProviderRow})
    def get(self, request: HubRequest, version: str, provider_key: str) -> Response:
        return Response(represent(finding.get(provider_key)))

    @extend_schema(
        summary="Change a provider for the whole installation",
        request={"application/json": curating.CHANGE_SCHEMA},
        responses={200: ProviderRow},
    )
    def patch(self, request: HubRequest, version: str, provider_key: str) -> Response:
        return Response(represent(curating.change(provider_key, request.data, by=author(request))))

    @extend_schema(summary="Retire a provider; its row stays", responses={200: ProviderRow})
    def delete(self, request: HubRequest, version: str, provider_key: str) -> Response:
        return Response(represent(curating.retire(provider_key, by=author(request))))


class ProviderAdapter(HubView):
    failures = {"GET": (catalogue.PROVIDER_NOT_FOUND, catalogue.ADAPTER_NOT_FOUND)}

    @extend_schema(summary="Read what a provider's adapter does and needs", responses={200: AdapterBody})
    def get(self, request: HubRequest, version: str, provider_key: str) -> Response:
        provider = finding.get(provider_key)
        return Response(AdapterBody(registry.get(provider.provider_key)).data)


class Intents(HubView):
    @extend_schema(summary="List the intents, all at once", responses={200: IntentList})
    def get(self, request: HubRequest, version: str) -> Response:
        return Response({"data": IntentRow(INTENTS.values(), many=True).data})


class OneIntent(HubView):
    failures = {"GET": (catalogue.INVALID_INTENT,)}

    @extend_schema(summary="Read an intent: its payload's JSON Schema and an example", responses={200: IntentBody})
    def get(self, request: HubRequest, version: str, intent: str) -> Response:
        return Response(IntentBody(Intent.get(intent)).data)
