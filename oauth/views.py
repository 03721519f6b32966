from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue
from integrationhub.core.catalogue import Entry
from integrationhub.core.http import HubRequest
from integrationhub.core.pagination import PageParameters, filters, page
from integrationhub.core.tenancy import tenant_scope
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed
from oauth import authorizing, connecting, connections, direct, listing, reconnecting, sessions
from oauth.authorizing import Wish
from oauth.connecting import Returned
from oauth.models import Connection
from oauth.serializers import (
    AuthorizeParameters,
    CallbackBody,
    ConnectionFilters,
    ConnectionList,
    ConnectionRow,
    FullProfile,
    OAuthProviderList,
    OAuthProviderRow,
    SessionRow,
    StartedFlow,
    TokenRow,
)

# What the tenant's own client at the provider may lack, and the vault that holds it.
CLIENT: tuple[Entry, ...] = (
    catalogue.CREDENTIAL_NOT_FOUND,
    catalogue.CREDENTIAL_EXPIRED,
    catalogue.EXECUTION_FAILED,
)


def represent(connection: Connection) -> dict:
    return ConnectionRow(connection).data


class OAuthProviders(HubView):
    @extend_schema(
        summary="List the OAuth providers, whole, with the callback that each one's app must list",
        responses={200: OAuthProviderList},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        rows = listing.providers(tenant_id=request.user.tenant_id)
        return Response({"data": OAuthProviderRow(rows, many=True).data})


class Authorize(HubView):
    roles = {"GET": "organizer"}
    failures = {"GET": (catalogue.OAUTH_UNSUPPORTED_PROVIDER, catalogue.INVALID_REQUEST, *CLIENT)}

    @extend_schema(
        summary="Start connecting an account: where to send its owner",
        parameters=[AuthorizeParameters],
        responses={200: StartedFlow},
    )
    def get(self, request: HubRequest, version: str, provider: str) -> Response:
        asked = filters(request, AuthorizeParameters)
        started = authorizing.start(
            tenant_id=request.user.tenant_id,
            subject=request.user.subject,
            provider_key=provider,
            wish=Wish(scopes=asked.pop("scopes", "").split(), **asked),
        )
        return Response(StartedFlow(started).data)


class Callback(HubView):
    roles = {"POST": "organizer"}
    failures = {
        "POST": (
            catalogue.OAUTH_PROVIDER_REQUIRED,
            catalogue.OAUTH_UNSUPPORTED_PROVIDER,
            catalogue.OAUTH_CODE_REQUIRED,
            catalogue.OAUTH_TOKEN_EXCHANGE_FAILED,
            catalogue.CONNECTION_NOT_FOUND,
            catalogue.INVALID_REQUEST,
            *CLIENT,
        )
    }

    @extend_schema(
        summary="Finish connecting an account with what its provider sent back",
        request=CallbackBody,
        responses={200: ConnectionRow},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        body = CallbackBody(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data
        returned = Returned(
            said.get("provider", ""),
            said.get("code"),
            said.get("state"),
            issuer=said.get("iss"),
            user=said.get("user"),
            verifier=said.get("code_verifier"),
            redirect_uri=said.get("redirect_uri"),
        )
        who = request.user
        return Response(represent(connecting.connect(tenant_id=who.tenant_id, subject=who.subject, returned=returned)))


class Refresh(HubView):
    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {
        "POST": (
            catalogue.OAUTH_UNSUPPORTED_PROVIDER,
            catalogue.OAUTH_REFRESH_NOT_SUPPORTED,
            catalogue.MISSING_TOKEN,
            catalogue.CONNECTION_NOT_FOUND,
            catalogue.OAUTH_REFRESH_FAILED,
            catalogue.INVALID_REQUEST,
            *CLIENT,
        )
    }

    @extend_schema(
        summary="Renew the access of a connection, or of a token that the caller holds",
        request={"application/json": direct.REFRESH_SCHEMA},
        responses={200: TokenRow},
    )
    @keyed
    def post(self, request: HubRequest, version: str, provider: str) -> Response:
        renewed = direct.refresh(tenant_id=request.user.tenant_id, provider_key=provider, asked=request.data)
        return Response(represent(renewed) if isinstance(renewed, Connection) else TokenRow(renewed).data)


class Revoke(HubView):
    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {
        "POST": (
            catalogue.OAUTH_UNSUPPORTED_PROVIDER,
            catalogue.MISSING_TOKEN,
            catalogue.CONNECTION_NOT_FOUND,
            catalogue.OAUTH_REVOCATION_FAILED,
            catalogue.INVALID_REQUEST,
            *CLIENT,
        )
    }

    @extend_schema(
        summary="Have the provider revoke a connection's grant, or a token that the caller holds",
        request={"application/json": direct.REVOKE_SCHEMA},
        responses={204: None},
    )
    @keyed
    def post(self, request: HubRequest, version: str, provider: str) -> Response:
        who = request.user
        direct.revoke(tenant_id=who.tenant_id, provider_key=provider, asked=request.data, subject=who.subject)
        return Response(status=204)


class Profile(HubView):
    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {
        "POST": (
            catalogue.OAUTH_UNSUPPORTED_PROVIDER,
            catalogue.MISSING_TOKEN,
            catalogue.CONNECTION_NOT_FOUND,
            catalogue.OAUTH_PROFILE_FETCH_FAILED,
            catalogue.OAUTH_REFRESH_FAILED,
            catalogue.INVALID_REQUEST,
            *CLIENT,
        )
    }

    @extend_schema(
        summary="Read the profile of a connected account, in one form for all providers",
        request={"application/json": direct.PROFILE_SCHEMA},
        responses={200: FullProfile},
    )
    def post(self, request: HubRequest, version: str, provider: str) -> Response:
        found = direct.profile(tenant_id=request.user.tenant_id, provider_key=provider, asked=request.data)
        return Response(FullProfile(found).data)


class Connections(HubView):
    failures = {"GET": (catalogue.INVALID_REQUEST,)}

    @extend_schema(
        summary="List connected accounts",
        parameters=[ConnectionFilters, PageParameters],
        responses={200: ConnectionList},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        tenant_id, wanted = request.user.tenant_id, filters(request, ConnectionFilters)
        with tenant_scope(tenant_id):
            rows = connections.listed(tenant_id=tenant_id, **wanted)
            return Response(page(request, rows, serialize=represent))


class OneConnection(HubView):
    roles = {"DELETE": "organizer"}
    failures = {
        "GET": (catalogue.CONNECTION_NOT_FOUND,),
        "DELETE": (catalogue.CONNECTION_NOT_FOUND, catalogue.OAUTH_REVOCATION_FAILED, *CLIENT),
    }

    @extend_schema(summary="Read one connected account", responses={200: ConnectionRow})
    def get(self, request: HubRequest, version: str, connection_id: str) -> Response:
        found = connections.get(tenant_id=request.user.tenant_id, connection_id=connection_id)
        return Response(represent(found))

    @extend_schema(summary="Give a connection up; its provider revokes the grant", responses={204: None})
    def delete(self, request: HubRequest, version: str, connection_id: str) -> Response:
        who = request.user
        connections.give_up(tenant_id=who.tenant_id, connection_id=connection_id, subject=who.subject)
        return Response(status=204)


class RefreshConnection(HubView):
    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {
        "POST": (
            catalogue.CONNECTION_NOT_FOUND,
            catalogue.OAUTH_REFRESH_NOT_SUPPORTED,
            catalogue.OAUTH_REFRESH_FAILED,
            *CLIENT,
        )
    }

    @extend_schema(summary="Renew a connection's access now", request=None, responses={200: ConnectionRow})
    @keyed
    def post(self, request: HubRequest, version: str, connection_id: str) -> Response:
        return Response(represent(reconnecting.refresh(tenant_id=request.user.tenant_id, connection_id=connection_id)))


class Reconnect(HubView):
    """The connection keeps its id, and works as before once its owner has gone through the flow again."""

    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {"POST": (catalogue.CONNECTION_NOT_FOUND, catalogue.INVALID_REQUEST, *CLIENT)}

    @extend_schema(
        summary="Start mending a connection: where to send its owner",
        request={"application/json": reconnecting.RECONNECT_SCHEMA},
        responses={200: StartedFlow},
    )
    @keyed
    def post(self, request: HubRequest, version: str, connection_id: str) -> Response:
        who = request.user
        started = reconnecting.start(
            tenant_id=who.tenant_id, connection_id=connection_id, subject=who.subject, asked=request.data
        )
        return Response(StartedFlow(started).data)


class ConnectSessions(HubView):
    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {
        "POST": (
            catalogue.OAUTH_UNSUPPORTED_PROVIDER,
            catalogue.CONNECTION_NOT_FOUND,
            catalogue.INVALID_REQUEST,
            *CLIENT,
        )
    }

    @extend_schema(
        summary="Make a link on which a person connects an account; it serves once, for thirty minutes",
        request={"application/json": sessions.SESSION_SCHEMA},
        responses={201: SessionRow},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        who = request.user
        link = sessions.make(tenant_id=who.tenant_id, subject=who.subject, asked=request.data)
        return Response(SessionRow(link).data, status=201)
