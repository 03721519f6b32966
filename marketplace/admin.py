from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from integrationhub.core.operators import ReadOnlyAdmin, SystemModelAdmin
from marketplace.models import Installation, Integration, Subscription, Tier


@admin.register(Integration)
class IntegrationAdmin(SystemModelAdmin):
    list_display = ["name", "slug", "provider", "published"]
    list_filter = ["published", "provider__category"]
    list_select_related = ["provider"]
    search_fields = ["name", "slug", "summary"]


class NamedForGoodAdmin(SystemModelAdmin):
    """The primary key is typed in when the row is added, and stays: another key would be another row."""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [self.model._meta.pk.name] if obj else []


@admin.register(Tier)
class TierAdmin(NamedForGoodAdmin):
    """A change reaches every process within five seconds."""

    list_display = ["name", "key", "monthly_quota", "requests_per_minute"]
    search_fields = ["name", "key"]


@admin.register(Subscription)
class SubscriptionAdmin(NamedForGoodAdmin):
    list_display = ["tenant_id", "tier"]
    list_filter = ["tier"]
    list_select_related = ["tier"]
    search_fields = ["tenant_id"]


@admin.register(Installation)
class InstallationAdmin(ReadOnlyAdmin):
    list_display = ["integration", "tenant_id", "priority", "enabled", "created_at"]
    list_filter = ["enabled", "integration"]
    list_select_related = ["integration"]
    search_fields = ["tenant_id", "integration__slug"]
    ordering = ["tenant_id", "priority", "id"]
