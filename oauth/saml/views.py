from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed
from oauth.saml import configuring, signing_in
from oauth.saml.serializers import IdentityProviderBody, ResponseBody, SignInBody


class Idp(HubView):
    max_string = HubView.max_body_bytes  # Metadata is one long string.
    roles = {"GET": "organizer", "PUT": "organizer"}
    failures = {"GET": (catalogue.INVALID_REQUEST,), "PUT": (catalogue.INVALID_REQUEST,)}

    @extend_schema(
        summary="Read the tenant's identity provider, and what it is to be told", responses={200: IdentityProviderBody}
    )
    def get(self, request: HubRequest, version: str) -> Response:
        return Response(IdentityProviderBody(configuring.get(tenant_id=request.user.tenant_id)).data)

    @extend_schema(
        summary="Set the tenant's identity provider, by its members or its metadata",
        request={"application/json": configuring.IDP_SCHEMA},
        responses={200: IdentityProviderBody},
    )
    def put(self, request: HubRequest, version: str) -> Response:
        who = request.user
        idp = configuring.configure(tenant_id=who.tenant_id, body=request.data, subject=who.subject)
        return Response(IdentityProviderBody(idp).data)


class Acs(HubView):
    max_string = HubView.max_body_bytes  # A response is one long string, and has a limit of its own.
    roles = {"POST": "organizer"}
    failures = {"POST": (catalogue.SAML_DECODE,)}

    @extend_schema(
        summary="Validate a SAML response; it signs in once", request=ResponseBody, responses={200: SignInBody}
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        body = ResponseBody(data=request.data)
        body.is_valid(raise_exception=True)
        signed_in = signing_in.sign_in(
            tenant_id=request.user.tenant_id,
            saml_response=body.validated_data["SAMLResponse"],
            relay_state=body.validated_data["RelayState"],
            actor=request.user.subject,
        )
        return Response(SignInBody(signed_in).data)
