from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response

from integrationhub.core import bodies, catalogue
from integrationhub.core.deadline import Deadline
from integrationhub.core.http import HubRequest
from integrationhub.core.operators import SYSTEM
from integrationhub.core.pagination import PageParameters, filters, page
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed
from integrationhub.webhooks import endpoints, listing, receiving, sources
from integrationhub.webhooks.serializers import (
    EndpointBody,
    EndpointList,
    EndpointRow,
    EventFilters,
    EventList,
    EventRow,
    FullEvent,
    OpenedEndpoint,
    represent,
)
from integrationhub.webhooks.sources import Door, shared_door
from providers.callbacks import Webhook

# What the tenant's own secrets, and the vault that holds them, may lack.
OF_AN_ENDPOINT = (
    catalogue.INVALID_SIGNATURE,
    catalogue.WEBHOOK_NOT_FOUND,
    catalogue.EXECUTION_FAILED,
)
# What confirming an address may take; providers wait for ten seconds or so.
ANSWER_SECONDS = 8.0
_CHALLENGE_PARAMETERS = [
    OpenApiParameter(name, str, required=True) for name in ("hub.mode", "hub.verify_token", "hub.challenge")
]


class Receiver(HubView):
    """What providers post to. There is no token: a request proves itself by its signature.

    Handlers are called directly, since REST framework's way to them costs more than all that they do.
    """

    authentication_classes = []
    permission_classes = []
    throttle_classes = []
    max_body_bytes = 4 * 1024 * 1024
    failures = {"GET": (catalogue.INVALID_SIGNATURE,), "POST": (catalogue.INVALID_SIGNATURE,)}

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        handler = {"GET": self.get, "POST": self.post}.get(request.method)
        if handler is None:
            return super().dispatch(request, *args, **kwargs)
        try:
            return handler(request, **kwargs)
        except Exception as fault:  # noqa: BLE001  As REST framework has it: every exception is an answer.
            return self.get_exception_handler()(fault, {"view": self, "request": self.initialize_request(request)})

    @extend_schema(
        summary="Prove to the provider that this address is ours",
        parameters=_CHALLENGE_PARAMETERS,
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: HttpRequest, version: str = "", **named: str) -> HttpResponse:
        asked = request.GET
        receiving.verify(self.door(**named), asked.get("hub.mode", ""), asked.get("hub.verify_token", ""))
        return HttpResponse(receiving.echo(asked.get("hub.challenge", "")), content_type="text/plain")

    @extend_schema(
        summary="Take a signed webhook: stored when it is answered, processed after that",
        request={"application/json": {"type": "object"}},
        parameters=[OpenApiParameter("X-Hub-Signature-256", str, OpenApiParameter.HEADER, required=True)],
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def post(self, request: HttpRequest, version: str = "", **named: str) -> HttpResponse:
        return self.received(request, self.door(**named))

    def received(self, request: HttpRequest, door: Door) -> HttpResponse:
        hook = Webhook(
            method=request.method or "",
            url=settings.PUBLIC_BASE_URL + request.get_full_path(),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=bodies.read(request, self.max_body_bytes),
            deadline=Deadline.after(ANSWER_SECONDS),
        )
        answer = receiving.receive(door, hook, request.headers, request.request_id)  # type: ignore[attr-defined]
        return HttpResponse(answer, content_type="text/plain")

    def door(self, **named: str) -> Door:
        return shared_door()


class EndpointReceiver(Receiver):
    """The same for the app or the account that a tenant has of its own at a provider."""

    failures = {"GET": OF_AN_ENDPOINT, "POST": OF_AN_ENDPOINT}

    @extend_schema(
        summary="Prove to the provider that this address is ours, or take a signed webhook of one that sends by GET",
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: HttpRequest, version: str = "", **named: str) -> HttpResponse:
        door = self.door(**named)
        if sources.get(door.provider_key).tells_by_get:
            return self.received(request, door)
        return super().get(request, version, **named)

    @extend_schema(
        summary="Take a webhook, signed as its provider does: stored when it is answered, processed after that",
        request={"application/json": {"type": "object"}, "application/x-www-form-urlencoded": {"type": "object"}},
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def post(self, request: HttpRequest, version: str = "", **named: str) -> HttpResponse:
        return super().post(request, version, **named)

    def door(self, **named: str) -> Door:
        tenant_id = endpoints.owner(named["provider_key"], named["endpoint_token"])
        door = sources.get(named["provider_key"]).door(tenant_id)
        # Some adapters ask their provider before they believe it.
        let_go_of_connection()
        let_go_of_connection(SYSTEM)
        return door


class Webhooks(HubView):
    roles = {"GET": "organizer"}
    failures = {"GET": (catalogue.INVALID_REQUEST,)}

    @extend_schema(
        summary="List webhook events, from providers and to the tenant's own addresses, the newest first",
        parameters=[EventFilters, PageParameters],
        responses={200: EventList},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        tenant_id, wanted = request.user.tenant_id, filters(request, EventFilters)
        with tenant_scope(tenant_id):
            return Response(page(request, listing.both_ways(tenant_id=tenant_id, **wanted), serialize=represent))


class OneWebhook(HubView):
    roles = {"GET": "organizer"}
    failures = {"GET": (catalogue.WEBHOOK_NOT_FOUND,)}

    @extend_schema(
        summary="Read one webhook event: headers, verdict on the signature, attempts", responses={200: FullEvent}
    )
    def get(self, request: HubRequest, version: str, webhook_id: str) -> Response:
        event = listing.get(tenant_id=request.user.tenant_id, event_id=webhook_id)
        told = {"post": listing.post_of(event), "is_admin": request.user.has_role("admin")}
        return Response(FullEvent(event, context=told).data)


class Replay(HubView):
    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {"POST": (catalogue.WEBHOOK_NOT_FOUND, catalogue.INVALID_REQUEST)}

    @extend_schema(summary="Have a webhook event handled, or sent, once more", request=None, responses={202: EventRow})
    @keyed
    def post(self, request: HubRequest, version: str, webhook_id: str) -> Response:
        who = request.user
        event = listing.replay(
            tenant_id=who.tenant_id, event_id=webhook_id, subject=who.subject, request_id=request.request_id
        )
        return Response(represent(event), status=202)


class Endpoints(HubView):
    roles = {"GET": "organizer", "POST": "organizer"}
    failures = {"GET": (catalogue.INVALID_REQUEST,), "POST": (catalogue.INVALID_REQUEST,)}

    @extend_schema(
        summary="List the addresses that the tenant's own apps at providers post to",
        parameters=[PageParameters],
        responses={200: EndpointList},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        tenant_id = request.user.tenant_id
        with tenant_scope(tenant_id):
            rows = endpoints.listed(tenant_id=tenant_id)
            return Response(page(request, rows, serialize=lambda row: EndpointRow(row).data))

    @extend_schema(
        summary="Make the address that the tenant's own app at a provider posts to; the one before ends",
        request=EndpointBody,
        responses={201: OpenedEndpoint},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        body = EndpointBody(data=request.data)
        body.is_valid(raise_exception=True)
        who, key = request.user, body.validated_data["provider_key"]
        endpoint, token = endpoints.open_endpoint(tenant_id=who.tenant_id, provider_key=key, subject=who.subject)
        return Response(OpenedEndpoint(endpoint, context={"url": endpoints.address(key, token)}).data, status=201)


class OneEndpoint(HubView):
    roles = {"DELETE": "organizer"}
    failures = {"DELETE": (catalogue.WEBHOOK_NOT_FOUND,)}

    @extend_schema(summary="Close the address of the tenant's own app at a provider", responses={204: None})
    def delete(self, request: HubRequest, version: str, endpoint_id: str) -> Response:
        who = request.user
        endpoints.close(tenant_id=who.tenant_id, endpoint_id=endpoint_id, subject=who.subject)
        return Response(status=204)
