from typing import Any

from rest_framework import serializers

from integrationhub.core.pagination import PageShape
from integrationhub.core.representation import moment
from providers.adapter import Adapter
from providers.intents import INTENTS, Intent
from providers.models import Category, Provider, Status
from providers.registry import find

NEEDS_CONNECTION = "The OAuth provider of whose connected accounts one acts; null where none is needed."


class Moment(serializers.DateTimeField):
    def to_representation(self, value: Any) -> str:
        return moment(value)


class ProviderRow(serializers.ModelSerializer):
    intents = serializers.ListField(child=serializers.CharField(), read_only=True)
    has_adapter = serializers.SerializerMethodField()
    needs_credential = serializers.BooleanField(read_only=True)
    needs_connection = serializers.CharField(read_only=True, allow_null=True, help_text=NEEDS_CONNECTION)
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    class Meta:
        model = Provider
        fields = [
            "provider_key",
            "id",
            "display_name",
            "category",
            "status",
            "summary",
            "position",
            "intents",
            "has_adapter",
            "needs_credential",
            "needs_connection",
            "created_at",
            "updated_at",
        ]

    def get_has_adapter(self, provider: Provider) -> bool:
        return find(provider.provider_key) is not None


class ProviderList(PageShape):
    data = ProviderRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.


class ProviderFilters(serializers.Serializer):
    category = serializers.ChoiceField(Category.choices, required=False)
    status = serializers.ChoiceField(Status.choices, required=False)
    intent = serializers.ChoiceField(list(INTENTS), required=False)


class AdapterBody(serializers.Serializer):
    provider_key = serializers.CharField()
    display_name = serializers.CharField()
    intents = serializers.ListField(child=serializers.CharField())
    config_schema = serializers.DictField()
    credential_schema = serializers.DictField(allow_null=True)
    needs_connection = serializers.CharField(allow_null=True, help_text=NEEDS_CONNECTION)
    connection_scopes = serializers.ListField(
        child=serializers.CharField(), help_text="The connection must have been granted at least one of them."
    )
    docs_url = serializers.CharField()
    is_sandbox = serializers.BooleanField()

    def to_representation(self, adapter: type[Adapter]) -> dict[str, Any]:
        return {
            "provider_key": adapter.key,
            "display_name": adapter.display_name,
            "intents": sorted(adapter.intents),
            "config_schema": adapter.config_schema,
            "credential_schema": adapter.credential_schema,
            "needs_connection": adapter.connection_provider or None,
            "connection_scopes": sorted(adapter.connection_scopes),
            "docs_url": adapter.docs_url,
            "is_sandbox": adapter.is_sandbox,
        }


class IntentRow(serializers.Serializer):
    intent = serializers.CharField(source="name")
    category = serializers.CharField()
    summary = serializers.CharField()
    acts = serializers.BooleanField()
    on_ambiguous = serializers.ChoiceField(["stop", "next"])
    lowest_role = serializers.ChoiceField(["user", "organizer", "admin"])


class IntentList(serializers.Serializer):
    data = IntentRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.


class IntentBody(IntentRow):
    schema = serializers.SerializerMethodField()
    example = serializers.DictField()

    def get_schema(self, intent: Intent) -> dict[str, Any]:
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **intent.payload_schema}
