from typing import Any

from rest_framework import serializers

from integrationhub.core.pagination import PageShape
from integrationhub.webhooks import listing, sources
from integrationhub.webhooks.models import Endpoint, WebhookEvent
from providers.serializers import Moment

STATUS = (
    "`received`: waits for a worker. `processed`: what it tells is done. `kept`: nothing is done by such an event, and "
    "it is kept to be seen. `failed`: its handling failed; it is tried five times, each time after a longer while."
)


class EventFilters(serializers.Serializer):
    direction = serializers.ChoiceField(WebhookEvent.Direction.choices, required=False)
    provider_key = serializers.CharField(required=False, max_length=64)
    status = serializers.ChoiceField(WebhookEvent.Status.choices, required=False)
    type = serializers.CharField(
        required=False, max_length=80, help_text="As in `message`, `status`, `message.delivered`."
    )


class EventRow(serializers.ModelSerializer):
    status = serializers.ChoiceField(WebhookEvent.Status.choices, help_text=STATUS)
    occurred_at = Moment(read_only=True, allow_null=True, help_text="By the provider's clock; null: it did not say.")
    received_at = Moment(read_only=True)
    processed_at = Moment(read_only=True, allow_null=True)

    class Meta:
        model = WebhookEvent
        fields = (
            "id",
            "direction",
            "provider_key",
            "type",
            "status",
            "reference",
            "duplicates",
            "replays",
            "occurred_at",
            "received_at",
            "processed_at",
        )


class EventList(PageShape):
    data = EventRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.


class HandlingShape(serializers.Serializer):
    at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(WebhookEvent.Status.choices)
    error = serializers.CharField(allow_blank=True)
    is_replay = serializers.BooleanField()


class SignatureShape(serializers.Serializer):
    verdict = serializers.ChoiceField(["valid"], help_text="What is badly signed never becomes an event.")
    secret = serializers.ChoiceField(
        ["current", "previous"], help_text="`previous`: made with the secret that is being rotated out."
    )


class FullEvent(EventRow):
    """One event, with the request that it came in."""

    signature = serializers.SerializerMethodField()
    headers = serializers.SerializerMethodField()
    attempts = HandlingShape(many=True)
    raw_body = serializers.SerializerMethodField()

    class Meta(EventRow.Meta):
        fields = (*EventRow.Meta.fields, "signature", "headers", "attempts", "raw_body")  # type: ignore[assignment]

    def get_signature(self, event: WebhookEvent) -> SignatureShape:
        return {"verdict": "valid", "secret": event.secret}  # type: ignore[return-value]

    def get_headers(self, event: WebhookEvent) -> dict[str, str]:
        """Of most of them the name alone; none after thirty days."""
        post = self.context["post"]
        return post.headers if post else {}

    def get_raw_body(self, event: WebhookEvent) -> str | None:
        """For admins, else null. What came by the address that all tenants share is cut down to this event."""
        return listing.raw_body(event, self.context["post"]) if self.context["is_admin"] else None


class EndpointBody(serializers.Serializer):
    def get_fields(self) -> dict[str, serializers.Field]:
        """Of the providers that tell something."""
        return {"provider_key": serializers.ChoiceField(sources.keys())}


class EndpointRow(serializers.ModelSerializer):
    created_at = Moment(read_only=True)

    class Meta:
        model = Endpoint
        fields = ("id", "provider_key", "created_at")


class OpenedEndpoint(EndpointRow):
    url = serializers.SerializerMethodField()

    class Meta(EndpointRow.Meta):
        fields = (*EndpointRow.Meta.fields, "url")  # type: ignore[assignment]

    def get_url(self, endpoint: Endpoint) -> str:
        """Where the provider is to post to. It is told here alone."""
        return str(self.context["url"])


class EndpointList(PageShape):
    data = EndpointRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.


def represent(event: WebhookEvent) -> dict[str, Any]:
    return dict(EventRow(event).data)
