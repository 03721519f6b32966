from rest_framework import serializers

from integrationhub.core.pagination import PageShape
from marketplace.models import Installation, Integration
from providers.intents import CATEGORIES
from providers.serializers import NEEDS_CONNECTION, Moment


class IntegrationRow(serializers.ModelSerializer):
    provider_key = serializers.CharField(source="provider.provider_key", read_only=True)
    category = serializers.CharField(source="provider.category", read_only=True)
    status = serializers.CharField(source="provider.status", read_only=True)
    intents = serializers.ListField(source="provider.intents", child=serializers.CharField(), read_only=True)
    installed = serializers.BooleanField(source="is_installed", read_only=True)
    config_schema = serializers.SerializerMethodField()
    needs_credential = serializers.BooleanField(source="provider.needs_credential", read_only=True)
    needs_connection = serializers.CharField(
        source="provider.needs_connection", read_only=True, allow_null=True, help_text=NEEDS_CONNECTION
    )

    class Meta:
        model = Integration
        fields = [
            "id",
            "slug",
            "provider_key",
            "name",
            "summary",
            "category",
            "status",
            "intents",
            "installed",
            "config_schema",
            "needs_credential",
            "needs_connection",
        ]

    def get_config_schema(self, integration: Integration) -> dict:
        """JSON Schema of `config`; empty while the provider is only planned."""
        adapter = integration.provider.adapter
        return dict(adapter.config_schema) if adapter else {}


class IntegrationList(PageShape):
    data = IntegrationRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.


class IntegrationFilters(serializers.Serializer):
    q = serializers.CharField(required=False, allow_blank=True)
    category = serializers.ChoiceField(CATEGORIES, required=False)
    installed = serializers.BooleanField(required=False)


class InstallationRow(serializers.ModelSerializer):
    integration_id = serializers.UUIDField(read_only=True)
    provider_key = serializers.CharField(source="integration.provider.provider_key", read_only=True)
    name = serializers.CharField(source="integration.name", read_only=True)
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    class Meta:
        model = Installation
        fields = [
            "id",
            "integration_id",
            "provider_key",
            "name",
            "priority",
            "enabled",
            "config",
            "created_at",
            "updated_at",
        ]


class InstallationList(PageShape):
    data = InstallationRow(many=True)  # type: ignore[assignment]  # The stubs know `data` as the result alone.
