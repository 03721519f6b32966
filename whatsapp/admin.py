from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from integrationhub.core.operators import ReadOnlyAdmin
from whatsapp.models import Delivery, DeliveryStatus
from whatsapp.number_admin import BusinessNumberAdmin

__all__ = ["BusinessNumberAdmin", "DeliveryAdmin"]

COLOURS = {
    DeliveryStatus.UNKNOWN: "warning",
    DeliveryStatus.FAILED: "danger",
    DeliveryStatus.DELIVERED: "success",
    DeliveryStatus.READ: "success",
    DeliveryStatus.PLAYED: "success",
}


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """What became of each message. What it said is kept nowhere."""

    list_display = ["created_at", "tenant_id", "shown_status", "recipient", "type", "template_name", "failure"]
    list_filter = ["status", "type"]
    search_fields = ["id", "tenant_id", "meta_id", "recipient", "template_name"]
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
