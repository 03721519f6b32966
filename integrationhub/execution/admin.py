from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from integrationhub.core.operators import SYSTEM, ReadOnlyAdmin
from integrationhub.execution.models import Attempt, Execution, Route


@admin.register(Execution)
class ExecutionAdmin(ReadOnlyAdmin):
    """What ran: every attempt, why each provider was next, and what it came to."""

    list_display = (
        "id",
        "intent",
        "shown_status",
        "provider_key",
        "fallback_used",
        "mode",
        "duration_ms",
        "created_at",
    )
    list_filter = ("status", "fallback_used", "mode", "intent", "provider_key")
    search_fields = ("id__exact", "request_id__exact", "tenant_id__exact")
    ordering = ("-id",)
    show_full_result_count = False
    fields = (
        "id",
        "tenant_id",
        "request_id",
        "subject",
        "intent",
        "mode",
        "shown_status",
        "attempts",
        "skipped",
        "error_code",
        "error_message",
        "error_details",
        "provider_key",
        "fallback_used",
        "reference",
        "created_at",
        "finished_at",
        "duration_ms",
    )

    @display(
        description=_("status"),
        ordering="status",
        label={"succeeded": "success", "failed": "danger", "unknown": "warning", "queued": "info", "running": "info"},
    )
    def shown_status(self, execution: Execution) -> str:
        return execution.status

    @admin.display(description=_("attempts"))
    def attempts(self, execution: Execution) -> SafeString:
        rows = Attempt.objects.using(SYSTEM).filter(execution_id=execution.id).order_by("sequence")
        lines = SafeString("")
        for row in rows:
            told = " ".join(str(part) for part in (row.reason, row.upstream_status, row.message) if part)
            took = f"{row.latency_ms} ms" if row.latency_ms is not None else "…"
            lines += format_html("{}. {}: {} {} ({})<br>", row.sequence, row.provider_key, row.outcome, told, took)
        return lines


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    list_display = ("tenant_id", "intent", "updated_at")
    list_filter = ("intent",)
