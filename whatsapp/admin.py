from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from integrationhub.audit import trail
from integrationhub.core.operators import ReadOnlyAdmin
from whatsapp import media
from whatsapp.models import Delivery, DeliveryStatus, Medium, MediumState
from whatsapp.number_admin import BusinessNumberAdmin

__all__ = ["BusinessNumberAdmin", "DeliveryAdmin", "MediumAdmin"]

COLOURS = {
    DeliveryStatus.UNKNOWN: "warning",
    DeliveryStatus.FAILED: "danger",
    DeliveryStatus.DELIVERED: "success",
    DeliveryStatus.READ: "success",
    DeliveryStatus.PLAYED: "success",
}
STATE_COLOURS = {
    MediumState.PENDING: "info",
    MediumState.STORED: "success",
    MediumState.FAILED: "danger",
}


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """What became of each message. What it said is kept nowhere."""

    list_display = ["created_at", "tenant_id", "shown_status", "recipient", "type", "template_name", "failure"]
    list_filter = ["status", "type"]
    search_fields = ["id", "tenant_id", "meta_id", "recipient", "template_name"]
    search_help_text = _("id, tenant id, Meta's id, recipient or template")
    fields = [
        *("id", "tenant_id", "meta_id", "shown_status", "phone_number_id", "recipient", "wa_id", "user_id"),
        *("type", "template_name", "template_language", "used_fallback", "meta_status", "timeline", "error"),
        *("attempt_id", "subject", "request_id", "created_at", "updated_at"),
    ]
    readonly_fields = fields
    ordering = ["-id"]

    @display(description=_("status"), ordering="status", label=COLOURS)
    def shown_status(self, delivery: Delivery) -> tuple[str, Any]:
        return delivery.status, DeliveryStatus(delivery.status).label

    @display(description=_("failure"))
    def failure(self, delivery: Delivery) -> str | None:
        return delivery.error and delivery.error["code"]


@admin.register(Medium)
class MediumAdmin(ReadOnlyAdmin):
    """Files of customers: which are in the store, and why others are not. Their content is shown nowhere here."""

    is_recorded = False  # What the action calls records itself.
    actions = ["fetch_again"]
    list_display = [
        *(
            "created_at",
            "tenant_id",
            "shown_state",
            "kind",
            "content_type",
            "shown_size",
            "attempts",
            "failure",
            "due_at",
        )
    ]
    list_filter = ["state", "kind"]
    search_fields = ["id", "tenant_id", "media_id", "message_id"]
    search_help_text = _("id, tenant id, medium or message")
    fields = [
        *("id", "tenant_id", "media_id", "message_id", "phone_number_id", "kind", "content_type", "filename"),
        *("sha256", "shown_size", "shown_state", "attempts", "error", "due_at", "lease_until", "stored_at"),
        *("created_at", "updated_at"),
    ]
    readonly_fields = fields
    ordering = ["-id"]

    def has_fetch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("whatsapp.change_medium")

    @action(description=_("Fetch again"), permissions=["fetch"])
    def fetch_again(self, request: HttpRequest, queryset: QuerySet[Medium]) -> None:
        """Workers fetch them, with all of their attempts; what is stored is left as it is."""
        subject = trail.operator(request.user)
        asked = [media.ask_again(tenant_id=row.tenant_id, medium_id=row.id, subject=subject) for row in queryset]
        self.message_user(request, _("%(count)s to be fetched again.") % {"count": sum(asked)})

    @display(description=_("state"), ordering="state", label=STATE_COLOURS)
    def shown_state(self, medium: Medium) -> tuple[str, Any]:
        return medium.state, MediumState(medium.state).label

    @display(description=_("size"), ordering="size")
    def shown_size(self, medium: Medium) -> str | None:
        return None if medium.size is None else filesizeformat(medium.size)

    @display(description=_("failure"))
    def failure(self, medium: Medium) -> str | None:
        return medium.error and str(medium.error["message"])[:200]
