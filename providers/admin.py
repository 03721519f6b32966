import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from integrationhub.core.operators import SYSTEM, SystemModelAdmin
from providers.adapter import JSONObject
from providers.models import Provider, Status

STATUS_COLORS = {
    Status.PLANNED: "info",
    Status.ACTIVE: "success",
    Status.DISABLED: "warning",
    Status.RETIRED: "danger",
}


@admin.register(Provider)
class ProviderAdmin(SystemModelAdmin):
    list_display = ["display_name", "provider_key", "category", "status_badge", "has_adapter", "position", "updated_at"]
    list_filter = ["status", "category"]
    search_fields = ["provider_key", "display_name", "summary"]
    readonly_fields = ["intents_shown", "config_schema", "credential_schema", "docs", "created_at", "updated_at"]
    actions = ["enable", "disable", "retire"]
    fieldsets = [
        ("Overview", {"classes": ["tab"], "fields": ["provider_key", "display_name", "category", "status", "summary"]}),
        ("Connection", {"classes": ["tab"], "fields": ["base_url", "position"]}),
        (
            "Adapter",
            {"classes": ["tab"], "fields": ["intents_shown", "config_schema", "credential_schema", "docs"]},
        ),
        ("History", {"classes": ["tab"], "fields": ["created_at", "updated_at"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> list[str]:
        """The key is fixed once given: installations, credentials and executions name it."""
        return [*self.readonly_fields, "provider_key"] if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        return False  # Retired instead, since past executions name it.

    @display(description="status", ordering="status", label=STATUS_COLORS)
    def status_badge(self, provider: Provider) -> tuple[str, str]:
        return provider.status, provider.get_status_display()

    @display(description="adapter", boolean=True)
    def has_adapter(self, provider: Provider) -> bool:
        return provider.adapter is not None

    @display(description="intents")
    def intents_shown(self, provider: Provider) -> str:
        return ", ".join(provider.intents) or "No adapter yet."

    @display(description="configuration of an installation")
    def config_schema(self, provider: Provider) -> str:
        return _shown(provider.adapter.config_schema) if provider.adapter else "No adapter yet."

    @display(description="credential")
    def credential_schema(self, provider: Provider) -> str:
        if provider.adapter is None:
            return "No adapter yet."
        schema = provider.adapter.credential_schema
        return "This provider needs no credential." if schema is None else _shown(schema)

    @display(description="documentation")
    def docs(self, provider: Provider) -> str:
        if not provider.adapter or not provider.adapter.docs_url:
            return "-"
        return format_html('<a href="{0}" rel="noreferrer">{0}</a>', provider.adapter.docs_url)

    @action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        with_adapter = [provider for provider in queryset if provider.adapter]
        self._set_status(request, with_adapter, Status.ACTIVE)
        if missing := [provider.provider_key for provider in queryset if not provider.adapter]:
            self.message_user(request, f"Still planned, without an adapter: {', '.join(missing)}.", level="WARNING")

    @action(description="Disable: no new execution uses it", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        self._set_status(request, list(queryset), Status.DISABLED)

    @action(description="Retire: no new execution uses it, and it is not installed any more", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        self._set_status(request, list(queryset), Status.RETIRED)

    def _set_status(self, request: HttpRequest, providers: list[Provider], status: Status) -> None:
        for provider in providers:
            provider.status = status
            provider.save(using=SYSTEM, update_fields=["status", "updated_at"])
        for provider in providers:  # After all of them: what is recorded holds a lock, and nothing may wait under it.
            self.log_change(request, provider, f"Status set to {status.label}.")
        self.message_user(request, f"{len(providers)} set to {status.label}.")


def _shown(schema: JSONObject) -> SafeString:
    return format_html('<pre class="whitespace-pre-wrap">{}</pre>', json.dumps(schema, indent=2))
