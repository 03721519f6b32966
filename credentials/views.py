from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from credentials import binding, rotating, verifying
from credentials.asking import BIND_SCHEMA, ROTATE_SCHEMA
from credentials.models import Credential
from credentials.serializers import CredentialFilters, CredentialList, CredentialRow, VerifiedCredential
from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest
from integrationhub.core.pagination import PageParameters, filters, page
from integrationhub.core.tenancy import tenant_scope
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed


def represent(credential: Credential) -> dict:
    return CredentialRow(credential).data


class Bind(HubView):
    roles = {"POST": "organizer"}
    failures = {
        "POST": (catalogue.CREDENTIAL_BIND_FAILED,),
    }

    @extend_schema(
        summary="Bind a credential to a provider; the answer is masked",
        request={"application/json": BIND_SCHEMA},
        responses={201: CredentialRow},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        credential = binding.bind_asked(
            tenant_id=request.user.tenant_id, body=request.data, subject=request.user.subject
        )
        return Response(represent(credential), status=201)


class Credentials(HubView):
    roles = {"GET": "organizer"}
    failures = {"GET": (catalogue.INVALID_REQUEST,)}

    @extend_schema(
        summary="List what is bound", parameters=[CredentialFilters, PageParameters], responses={200: CredentialList}
    )
    def get(self, request: HubRequest, version: str) -> Response:
        tenant_id, wanted = request.user.tenant_id, filters(request, CredentialFilters)
        with tenant_scope(tenant_id):
            rows = binding.bound(tenant_id=tenant_id, **wanted)
            return Response(page(request, rows, serialize=represent))


class OneCredential(HubView):
    roles = {"GET": "organizer", "DELETE": "admin"}
    failures = {"GET": (catalogue.CREDENTIAL_NOT_FOUND,), "DELETE": (catalogue.CREDENTIAL_NOT_FOUND,)}

    @extend_schema(summary="Read one credential, masked", responses={200: CredentialRow})
    def get(self, request: HubRequest, version: str, credential_id: str) -> Response:
        return Response(represent(binding.get(tenant_id=request.user.tenant_id, credential_id=credential_id)))

    @extend_schema(
        summary="Revoke a credential and wipe its secret; with the version in use go all others of its provider",
        responses={204: None},
    )
    def delete(self, request: HubRequest, version: str, credential_id: str) -> Response:
        binding.revoke(tenant_id=request.user.tenant_id, credential_id=credential_id, subject=request.user.subject)
        return Response(status=204)


class Verify(HubView):
    """Where the provider cannot be reached nothing is changed, and the answer is retryable."""

    roles = {"POST": "organizer"}
    failures = {
        "POST": (
            catalogue.CREDENTIAL_NOT_FOUND,
            catalogue.CREDENTIAL_EXPIRED,
            catalogue.CREDENTIAL_BIND_FAILED,
            catalogue.ADAPTER_NOT_FOUND,
            catalogue.EXECUTION_FAILED,
        )
    }
    body_is_optional = True

    @extend_schema(
        summary="Ask the provider now whether it accepts a credential",
        request=None,
        responses={200: VerifiedCredential},
    )
    @keyed
    def post(self, request: HubRequest, version: str, credential_id: str) -> Response:
        credential, said = verifying.verify(
            tenant_id=request.user.tenant_id, credential_id=credential_id, subject=request.user.subject
        )
        why = {"upstream_reason": said.reason, "upstream_status": said.upstream_status}
        return Response({**represent(credential), **why})


class Rotate(HubView):
    """The next version is stored beside the one in use, which goes on until the provider has accepted the new one."""

    roles = {"POST": "organizer"}
    failures = {"POST": (catalogue.CREDENTIAL_NOT_FOUND, catalogue.CREDENTIAL_BIND_FAILED)}

    @extend_schema(
        summary="Replace a credential by a new version; the answer is the new one, masked",
        request={"application/json": ROTATE_SCHEMA},
        responses={201: CredentialRow},
    )
    @keyed
    def post(self, request: HubRequest, version: str, credential_id: str) -> Response:
        credential = rotating.rotate(
            tenant_id=request.user.tenant_id,
            credential_id=credential_id,
            body=request.data,
            subject=request.user.subject,
        )
        return Response(represent(credential), status=201)


class Rollback(HubView):
    roles = {"POST": "organizer"}
    failures = {"POST": (catalogue.CREDENTIAL_NOT_FOUND, catalogue.CREDENTIAL_EXPIRED)}
    body_is_optional = True

    @extend_schema(
        summary="Put the version before the one in use in use again", request=None, responses={200: CredentialRow}
    )
    @keyed
    def post(self, request: HubRequest, version: str, credential_id: str) -> Response:
        credential = rotating.roll_back(
            tenant_id=request.user.tenant_id, credential_id=credential_id, subject=request.user.subject
        )
        return Response(represent(credential))
