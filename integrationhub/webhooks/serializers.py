from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from integrationhub.core.pagination import PageShape
from integrationhub.webhooks import listing, sources
from integrationhub.webhooks.models import Endpoint, WebhookEvent
from integrationhub.webhooks.telling.models import Delivery
from providers.serializers import Moment

STATUS = (
    "`received`: waits for a worker. `processed`: what it tells is done. `kept`: nothing is done by such an event, and "
    "it is kept to be seen. `failed`: its handling failed; it is tried five times, each time after a longer while. Of "
    "those that go out: `pending`, `delivered`, `skipped` (the subscription was disabled), `dead` (ten tries failed)."
)
STATUSES = [*WebhookEvent.Status.choices, *Delivery.Status.choices]


class EventFilters(serializers.Serializer):
    direction = serializers.ChoiceField(WebhookEvent.Direction.choices, required=False)
    provider_key = serializers.CharField(required=False, max_length=64)
    status = serializers.ChoiceField(STATUSES, required=False)
    type = serializers.CharField(
        required=False, max_length=80, help_text="As in `message`, `status`, `message.delivered`."
    )
    subscription_id = serializers.UUIDField(required=False, help_text="Of those that go out.")


class EventRow(serializers.ModelSerializer):
    """One that goes out has its event's id as `reference`, and no provider."""

    status = serializers.ChoiceField(STATUSES, help_text=STATUS)
    subscription_id = serializers.UUIDField(default=None, allow_null=True, read_only=True)
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
            "subscription_id",
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
    outcome = serializers.ChoiceField(STATUSES, help_text="Of those that go out `delivered` or `failed`.")
    error = serializers.CharField(allow_blank=True, help_text="As in `upstream_500`, `read_timeout`.")
    is_replay = serializers.BooleanField()
    upstream_status = serializers.IntegerField(required=False, allow_null=True, help_text="What the receiver answered.")
    latency_ms = serializers.IntegerField(required=False)
    answer = serializers.CharField(
        required=False, allow_blank=True, help_text="For admins: how the receiver's words began when it refused."
    )

    def to_representation(self, attempt: dict[str, Any]) -> dict[str, Any]:
        """What it said may repeat what it was sent, which admins alone see."""
        shown: dict[str, Any] = super().to_representation(attempt)
        if not self.context.get("is_admin"):
            shown.pop("answer", None)
        return shown


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

    @extend_schema_field(SignatureShape(allow_null=True))
    def get_signature(self, event: WebhookEvent | Delivery) -> dict[str, str] | None:
        """Null of those that go out."""
        secret = getattr(event, "secret", None)
        return None if secret is None else {"verdict": "valid", "secret": secret}

    def get_headers(self, event: WebhookEvent | Delivery) -> dict[str, str]:
        """Of most of them the name alone; none after thirty days."""
        post = self.context["post"]
        return post.headers if post else {}

    def get_raw_body(self, event: WebhookEvent | Delivery) -> str | None:
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


def represent(event: WebhookEvent | Delivery) -> dict[str, Any]:
    return dict(EventRow(event).data)
