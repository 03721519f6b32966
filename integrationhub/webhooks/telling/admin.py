from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from integrationhub.audit import trail
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.operators import ReadOnlyAdmin
from integrationhub.webhooks.telling import replaying, subscribing
from integrationhub.webhooks.telling.models import Delivery, Subscription


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Whom tenants have told of their events. Of an address its host alone is shown: some hold a secret behind it."""

    list_display = ("shown_host", "tenant_id", "event_types", "shown_state", "failing_since", "is_ordered")
    list_filter = ("is_enabled", "disabled_reason", "is_ordered")
    search_fields = ("tenant_id__exact", "id__exact")
    search_help_text = _("exact tenant id or id")
    fields = (
        "id",
        "tenant_id",
        "shown_host",
        "event_types",
        "description",
        "shown_state",
        "is_ordered",
        "failing_since",
        "last_failed_at",
        "disabled_at",
        "previous_until",
        "older_until",
        "free_at",
        "takes",
        "created_at",
        "updated_at",
    )
    ordering = ("-id",)
    actions = ("enable",)

    @admin.display(description=_("host"))
    def shown_host(self, subscription: Subscription) -> str:
        parts = urlsplit(subscription.url)
        return f"{parts.scheme}://{parts.netloc}"

    @display(
        description=_("state"),
        ordering="is_enabled",
        label={"enabled": "success", "failing": "danger", "gone": "danger", "by_request": "warning"},
    )
    def shown_state(self, subscription: Subscription) -> str:
        return "enabled" if subscription.is_enabled else subscription.disabled_reason

    def has_enable_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("telling.change_subscription")

    @action(description=_("Enable; what it has missed is not sent by this"), permissions=["enable"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        chosen = list(queryset.filter(is_enabled=False))
        subscribing.enable(queryset)
        for subscription in sorted(chosen, key=lambda subscription: subscription.tenant_id):
            self.log_change(request, subscription, "Enabled.")
        self.message_user(request, f"{len(chosen)} subscriptions are told of events again.")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Events on their way to tenants, newest first: each with when it was sent, and what the receiver answered."""

    list_display = ("type", "tenant_id", "shown_status", "tries", "due_at", "replays", "occurred_at", "delivered_at")
    list_filter = ("status", "type")
    search_fields = ("tenant_id__exact", "subscription_id__exact", "event_id__exact")
    search_help_text = _("exact tenant id, subscription id or event id")
    fields = (
        "id",
        "tenant_id",
        "subscription_id",
        "event_id",
        "type",
        "key",
        "shown_status",
        "tries",
        "due_at",
        "attempts",
        "replays",
        "occurred_at",
        "delivered_at",
    )
    ordering = ("-id",)
    show_full_result_count = False
    actions = ("replay",)
    is_recorded = False

    @display(
        description=_("status"),
        ordering="status",
        label={"pending": "info", "delivered": "success", "skipped": "warning", "dead": "danger"},
    )
    def shown_status(self, delivery: Delivery) -> str:
        return delivery.status

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("telling.change_delivery")

    @action(description=_("Replay: send once more"), permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        subject, sent = trail.operator(request.user), 0
        for delivery in queryset:
            try:
                replaying.replay(tenant_id=delivery.tenant_id, delivery=delivery, subject=subject)
            except InvalidRequest as refusal:
                self.message_user(request, refusal.message, messages.WARNING)
            else:
                sent += 1
        self.message_user(request, f"{sent} deliveries wait to be sent again.")
