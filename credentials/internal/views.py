from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from credentials.internal import serving
from credentials.internal.serializers import OpenedCredential
from credentials.serializers import CredentialRow
from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest, ServiceRequest
from integrationhub.core.mutual_tls import ClientCertificate
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed


class InternalView(HubView):
    """For sibling services, which act for every tenant: a client certificate, and neither token nor role.

    There is no rate limit. In a tenant's window a service would use up what is the tenant's own, and one of its own
    would refuse it just when it starts anew and reads for all tenants; who may call at all is a short list.
    """

    authentication_classes = [ClientCertificate]
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []


class InternalBind(InternalView):
    failures = {"POST": (catalogue.INTERNAL_CREDENTIAL_BIND_FAILED,)}

    def tenant_of(self, request: HubRequest) -> UUID | None:
        return serving.tenant_of(request.data)

    @extend_schema(
        summary="Bind a credential for any tenant; the answer is masked",
        request={"application/json": serving.INTERNAL_BIND_SCHEMA},
        responses={201: CredentialRow},
    )
    @keyed
    def post(self, request: ServiceRequest, version: str) -> Response:
        return Response(CredentialRow(serving.bind(request.data, request.user)).data, status=201)


class InternalCredential(InternalView):
    failures = {
        "GET": (catalogue.CREDENTIAL_NOT_FOUND, catalogue.CREDENTIAL_EXPIRED, catalogue.EXECUTION_FAILED),
    }

    @extend_schema(summary="Read the secret that a tenant has in use", responses={200: OpenedCredential})
    def get(self, request: ServiceRequest, version: str, tenant_id: str, provider_key: str) -> Response:
        """Each read is recorded with who made it. `EXECUTION_FAILED`: the stored secret does not open."""
        opened = serving.read(tenant_id=tenant_id, provider_key=provider_key, service=request.user)
        return Response(OpenedCredential(opened).data)
