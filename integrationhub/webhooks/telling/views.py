from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest
from integrationhub.core.pagination import PageParameters, page
from integrationhub.core.tenancy import tenant_scope
from integrationhub.core.views import HubView
from integrationhub.idempotency.keyed import keyed
from integrationhub.webhooks.serializers import EventRow
from integrationhub.webhooks.telling import replaying, subscribing
from integrationhub.webhooks.telling.serializers import (
    MadeSubscription,
    ReplayBody,
    ReplayedShape,
    RotateBody,
    SubscriptionBody,
    SubscriptionList,
    SubscriptionRow,
    represent,
)

# A vault that is away is EXECUTION_FAILED.
SEALS = (catalogue.INVALID_REQUEST, catalogue.EXECUTION_FAILED)


class Subscriptions(HubView):
    roles = {"GET": "organizer", "POST": "organizer"}
    failures = {"GET": (catalogue.INVALID_REQUEST,), "POST": SEALS}

    @extend_schema(
        summary="List the addresses that are told of events",
        parameters=[PageParameters],
        responses={200: SubscriptionList},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        tenant_id = request.user.tenant_id
        with tenant_scope(tenant_id):
            return Response(page(request, subscribing.listed(tenant_id=tenant_id), serialize=represent))

    @extend_schema(
        summary="Have events told to an address of the tenant's own; its secret is shown here alone",
        request=SubscriptionBody,
        responses={201: MadeSubscription},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        body = SubscriptionBody(data=request.data)
        body.is_valid(raise_exception=True)
        who = request.user
        made, secret = subscribing.subscribe(tenant_id=who.tenant_id, subject=who.subject, asked=body.validated_data)
        return Response(MadeSubscription(made, context={"secret": secret}).data, status=201)


class OneSubscription(HubView):
    roles = {"GET": "organizer", "PATCH": "organizer", "DELETE": "organizer"}
    failures = {method: (catalogue.INVALID_REQUEST,) for method in roles}

    @extend_schema(summary="Read one subscription", responses={200: SubscriptionRow})
    def get(self, request: HubRequest, version: str, subscription_id: str) -> Response:
        return Response(represent(subscribing.get(tenant_id=request.user.tenant_id, subscription_id=subscription_id)))

    @extend_schema(
        summary="Change a subscription, or enable and disable it",
        request=SubscriptionBody,
        responses={200: SubscriptionRow},
    )
    def patch(self, request: HubRequest, version: str, subscription_id: str) -> Response:
        body = SubscriptionBody(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        who = request.user
        changed = subscribing.change(
            tenant_id=who.tenant_id,
            subscription_id=subscription_id,
            subject=who.subject,
            changes=body.validated_data,
        )
        return Response(represent(changed))

    @extend_schema(summary="Remove a subscription; its secret is gone for good", responses={204: None})
    def delete(self, request: HubRequest, version: str, subscription_id: str) -> Response:
        who = request.user
        subscribing.remove(tenant_id=who.tenant_id, subscription_id=subscription_id, subject=who.subject)
        return Response(status=204)


class RotateSecret(HubView):
    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {"POST": SEALS}

    @extend_schema(
        summary="Make a new secret, shown here alone; the one before signs beside it for a day",
        request=RotateBody,
        responses={200: MadeSubscription},
    )
    @keyed
    def post(self, request: HubRequest, version: str, subscription_id: str) -> Response:
        body = RotateBody(data=request.data)
        body.is_valid(raise_exception=True)
        who = request.user
        rotated, secret = subscribing.rotate(
            tenant_id=who.tenant_id,
            subscription_id=subscription_id,
            subject=who.subject,
            overlap_seconds=body.validated_data["overlap_seconds"],
        )
        return Response(MadeSubscription(rotated, context={"secret": secret}).data)


class Test(HubView):
    """It is answered once the receiver has, or after ten seconds; `GET /webhooks/{id}` then tells what it said."""

    roles = {"POST": "organizer"}
    body_is_optional = True
    failures = {"POST": SEALS}

    @extend_schema(
        summary="Send an event `webhook_subscription.test` to a subscription now",
        request=None,
        responses={200: EventRow},
    )
    @keyed
    def post(self, request: HubRequest, version: str, subscription_id: str) -> Response:
        who = request.user
        sent = replaying.test(tenant_id=who.tenant_id, subscription_id=subscription_id, subject=who.subject)
        return Response(dict(EventRow(sent).data))


class Replay(HubView):
    roles = {"POST": "organizer"}
    failures = {"POST": (catalogue.INVALID_REQUEST,)}

    @extend_schema(
        summary="Send what was skipped or is dead, of events since a time",
        request=ReplayBody,
        responses={202: ReplayedShape},
    )
    @keyed
    def post(self, request: HubRequest, version: str, subscription_id: str) -> Response:
        body = ReplayBody(data=request.data)
        body.is_valid(raise_exception=True)
        who = request.user
        count = replaying.replay_since(
            tenant_id=who.tenant_id,
            subscription_id=subscription_id,
            since=body.validated_data["since"],
            subject=who.subject,
        )
        return Response({"replayed": count}, status=202)
