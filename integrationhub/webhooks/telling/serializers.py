from typing import Any

from rest_framework import serializers

from integrationhub.core.pagination import PageShape
from integrationhub.webhooks.telling import subscribing
from integrationhub.webhooks.telling.models import Disabled, Subscription
from providers.serializers import Moment

WHY_DISABLED = (
    "`by_request`; `failing`: nothing was delivered for five days on end; `gone`: the receiver answered 410. Null "
    "while it is enabled."
)


class SubscriptionBody(serializers.Serializer):
    url = serializers.CharField(
        max_length=2000, help_text="Of https; each event is posted there, and redirects are not followed."
    )
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=80),
        min_length=1,
        max_length=80,
        help_text="Whole, as `execution.failed`, or all of a kind, as `message.*`, or all there are: `*`.",
    )
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    enabled = serializers.BooleanField(source="is_enabled", required=False, help_text="True if you do not say.")
    ordered = serializers.BooleanField(
        source="is_ordered",
        required=False,
        help_text="Whether an event waits until the one before it about the same thing (an execution, a message, a "
        "connection...) is delivered or dead. False if you do not say.",
    )

    def validate_url(self, url: str) -> str:
        if fault := subscribing.fault_of_url(url):
            raise serializers.ValidationError(f"Must be {fault}.", code="invalid_url")
        return url

    def validate_event_types(self, event_types: list[str]) -> list[str]:
        if unknown := subscribing.unknown_types(event_types):
            raise serializers.ValidationError(
                f"No such event: {', '.join(unknown)[:200]}. docs/events.md lists them.", code="unknown_event"
            )
        return sorted(set(event_types))


class RotateBody(serializers.Serializer):
    overlap_seconds = serializers.IntegerField(
        min_value=0,
        max_value=7 * 86_400,
        default=86_400,
        help_text="For how long the secret before signs too; 0 if it has leaked.",
    )


class ReplayBody(serializers.Serializer):
    since = serializers.DateTimeField(help_text="Of events from then on, and of the last thirty days.")


class SubscriptionRow(serializers.ModelSerializer):
    enabled = serializers.BooleanField(source="is_enabled")
    ordered = serializers.BooleanField(source="is_ordered")
    disabled_reason = serializers.ChoiceField(Disabled.choices, allow_null=True, read_only=True, help_text=WHY_DISABLED)
    disabled_at = Moment(read_only=True, allow_null=True)
    failing_since = Moment(
        read_only=True,
        allow_null=True,
        help_text="The first failure since the last success, or since a day without one; null: there is none.",
    )
    will_be_disabled_at = Moment(
        read_only=True,
        allow_null=True,
        help_text="If it goes on failing until then; null: it does not fail now, or is disabled.",
    )
    previous_secret_until = Moment(
        read_only=True, allow_null=True, help_text="Until then a secret before this one signs too; null: none does."
    )
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    class Meta:
        model = Subscription
        fields = (
            "id",
            "url",
            "event_types",
            "description",
            "enabled",
            "ordered",
            "disabled_reason",
            "disabled_at",
            "failing_since",
            "will_be_disabled_at",
            "previous_secret_until",
            "created_at",
            "updated_at",
        )

    def to_representation(self, subscription: Subscription) -> dict[str, Any]:
        return {**super().to_representation(subscription), "disabled_reason": subscription.disabled_reason or None}


class MadeSubscription(SubscriptionRow):
    secret = serializers.SerializerMethodField()

    class Meta(SubscriptionRow.Meta):
        fields = (*SubscriptionRow.Meta.fields, "secret")  # type: ignore[assignment]

    def get_secret(self, subscription: Subscription) -> str:
        """As Standard Webhooks' libraries take it: `whsec_` and base64. It is told here alone."""
        return str(self.context["secret"])


class SubscriptionList(PageShape):
    data = SubscriptionRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.


class ReplayedShape(serializers.Serializer):
    replayed = serializers.IntegerField(help_text="How many wait to be sent again.")


def represent(subscription: Subscription) -> dict[str, Any]:
    return dict(SubscriptionRow(subscription).data)
