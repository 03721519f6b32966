from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from integrationhub.audit import trail
from integrationhub.core.operators import SYSTEM, ReadOnlyAdmin
from integrationhub.execution.models import Attempt, Execution, Route
from integrationhub.execution.provider_admin import ControlRoom
from integrationhub.execution.redriving import redrive
from marketplace.errors import QuotaExceeded
from providers.models import Provider

# Registered here: what it shows of a provider is known above the provider's own app.
admin.site.register(Provider, ControlRoom)

TWO_LINES = '<span class="hub-lines"><span>{}</span><small>{}</small></span>'
ATTEMPT_COLUMNS = {
    "#": "sequence",
    _("provider"): "provider_key",
    _("outcome"): "outcome",
    _("class"): "outcome_class",
    _("reason"): "reason",
    _("upstream"): "upstream_status",
    _("message"): "message",
    _("ms"): "latency_ms",
    _("started (UTC)"): "started_at",
}


class DeadFilter(admin.SimpleListFilter):
    """Executions that no worker lived through, waiting for an operator."""

    title = _("dead letters")
    parameter_name = "dead"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, Any]]:
        return [("yes", _("dead letters only"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Execution]) -> QuerySet[Execution]:
        return queryset.filter(dead_at__isnull=False) if self.value() == "yes" else queryset


@admin.register(Execution)
class ExecutionAdmin(ReadOnlyAdmin):
    """What ran: every attempt, why each provider was next, and what it came to."""

    is_recorded = False  # By `redrive` itself.
    list_display = ("shown_ids", "shown_intent", "shown_status", "shown_provider", "shown_duration", "created_at")
    list_filter = ("status", DeadFilter, "fallback_used", "mode", "intent", "provider_key")
    actions = ("redrive",)
    search_fields = ("id__exact", "request_id__exact", "tenant_id__exact")
    search_help_text = _("exact execution, request or tenant id")
    ordering = ("-id",)
    show_full_result_count = False
    fields = (
        "id",
        "tenant_id",
        "request_id",
        "subject",
        "intent",
        "mode",
        "status",
        "attempts",
        "skipped",
        "error_code",
        "error_message",
        "error_details",
        "shown_provider",
        "reference",
        "created_at",
        "finished_at",
        "dead_at",
        "takes",
        "duration_ms",
    )

    @display(
        description=_("status"),
        ordering="status",
        label={"succeeded": "success", "failed": "danger", "unknown": "warning", "queued": "info", "running": "info"},
    )
    def shown_status(self, execution: Execution) -> tuple[str, Any]:
        return execution.status, _("failed: dead letter") if execution.dead_at else execution.status

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("execution.change_execution")

    @action(description=_("Redrive: queue dead letters again"), permissions=["redrive"])
    def redrive(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        for execution in queryset:
            try:
                queued = redrive(
                    tenant_id=execution.tenant_id, execution_id=execution.id, actor=trail.operator(request.user)
                )
            except QuotaExceeded as refusal:
                self.message_user(request, f"{execution.id} stays dead: {refusal.message}", level="ERROR")
                continue
            if queued:
                self.log_change(request, execution, "Redriven.")
                self.message_user(request, f"{execution.id} is queued again.")
            else:
                words = "it is not a dead letter, or its payload is forgotten already."
                self.message_user(request, f"{execution.id} is left as it is: {words}", level="WARNING")

    @admin.display(description=_("execution"), ordering="id")
    def shown_ids(self, execution: Execution) -> SafeString:
        return format_html(TWO_LINES, execution.id, execution.tenant_id)

    @admin.display(description=_("intent"), ordering="intent")
    def shown_intent(self, execution: Execution) -> SafeString:
        return format_html(TWO_LINES, execution.intent, execution.get_mode_display())

    @admin.display(description=_("delivered by"), ordering="provider_key")
    def shown_provider(self, execution: Execution) -> str | SafeString:
        if not execution.fallback_used:
            return execution.provider_key or "-"
        return format_html(TWO_LINES, execution.provider_key, _("by fallback"))

    @admin.display(description=_("ms"), ordering="duration_ms")
    def shown_duration(self, execution: Execution) -> int | None:
        return execution.duration_ms

    @admin.display(description=_("attempts"))
    def attempts(self, execution: Execution) -> SafeString:
        made = Attempt.objects.using(SYSTEM).filter(execution_id=execution.id).order_by("sequence")
        heads = format_html_join("", "<th>{}</th>", ((head,) for head in ATTEMPT_COLUMNS))
        rows = format_html_join(
            "", "<tr>{}</tr>", ((_cells(row),) for row in made.values_list(*ATTEMPT_COLUMNS.values()))
        )
        return format_html('<table class="hub-table"><tr>{}</tr>{}</table>', heads, rows)


def _cells(row: tuple[Any, ...]) -> SafeString:
    *said, started_at = row
    shown = ["-" if value in (None, "") else value for value in said]
    return format_html_join("", "<td>{}</td>", ((value,) for value in (*shown, f"{started_at:%H:%M:%S.%f}"[:-3])))


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    list_display = ("tenant_id", "intent", "updated_at")
    list_filter = ("intent",)
