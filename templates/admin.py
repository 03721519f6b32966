from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from integrationhub.audit import trail
from integrationhub.core.operators import SYSTEM, ReadOnlyAdmin
from templates import runs, timetable
from templates.models import MessageTemplate, SyncRun

STATUS_COLORS = {
    "APPROVED": "success",
    "PENDING": "info",
    "IN_APPEAL": "info",
    "PAUSED": "warning",
    "REJECTED": "danger",
    "DISABLED": "danger",
}
QUALITY_COLORS = {"GREEN": "success", "YELLOW": "warning", "RED": "danger"}
RUN_COLORS = {
    SyncRun.State.QUEUED: "info",
    SyncRun.State.RUNNING: "info",
    SyncRun.State.SUCCEEDED: "success",
    SyncRun.State.FAILED: "danger",
}

REFRESH_SECONDS = 2


class SyncingAdmin(ReadOnlyAdmin):
    """A page whose rows name tenants that can be synced. Asking for it records itself."""

    is_recorded = False
    actions = ["sync_now"]

    def has_sync_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("templates.change_messagetemplate")

    @action(description="Sync now", permissions=["sync"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Each tenant of the selected rows by itself; what one of them lacks, its own run tells."""
        for tenant_id in sorted(set(queryset.order_by().values_list("tenant_id", flat=True))):
            run = runs.ask(tenant_id=tenant_id, subject=trail.operator(request.user))
            page = reverse("admin:templates_syncrun_change", args=[run.pk])
            self.message_user(request, format_html('{}: <a href="{}">how far the sync is</a>', tenant_id, page))


@admin.register(MessageTemplate)
class TemplateAdmin(SyncingAdmin):
    """What Meta has told of each template, and when it is asked again."""

    list_display = [
        "name",
        "language",
        "shown_status",
        "category",
        "shown_quality",
        "tenant_id",
        "last_sync",
        "next_sync",
    ]
    list_filter = ["status", "category", "quality", "language"]
    search_fields = ["name", "tenant_id", "meta_id", "waba_id"]
    fields = [
        "id",
        "tenant_id",
        "waba_id",
        "meta_id",
        "name",
        "language",
        "shown_status",
        "rejected_reason",
        "category",
        "previous_category",
        "parameter_format",
        "shown_quality",
        "components",
        "told_at",
        "told_times",
        "created_at",
        "updated_at",
        "last_sync",
        "next_sync",
    ]
    ordering = ["name", "language", "id"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With the times of the syncs, which are read once for all rows."""
        changes = super().get_changelist_instance(request)
        synced, following = last_syncs({row.tenant_id for row in changes.result_list}), timetable.next_sync()
        for row in changes.result_list:
            row.synced_at, row.next_at = synced.get(row.tenant_id), following
        return changes

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        row: Any = super().get_object(*args, **kwargs)
        if row is not None:
            row.synced_at, row.next_at = last_syncs({row.tenant_id}).get(row.tenant_id), timetable.next_sync()
        return row

    @display(description=_("status"), ordering="status", label=STATUS_COLORS)
    def shown_status(self, template: MessageTemplate) -> str:
        return template.status

    @display(description=_("quality"), ordering="quality", label=QUALITY_COLORS)
    def shown_quality(self, template: MessageTemplate) -> str:
        return template.quality

    @display(description=_("last sync"))
    def last_sync(self, template: Any) -> datetime | None:
        return template.synced_at  # `get_changelist_instance` puts it there.

    @display(description=_("next sync"))
    def next_sync(self, template: Any) -> datetime | None:
        return template.next_at


@admin.register(SyncRun)
class SyncRunAdmin(SyncingAdmin):
    """How each reading went, or how far it is."""

    list_display = ["created_at", "tenant_id", "shown_state", "shown_progress", "shown_counts", "shown_error", "took"]
    list_filter = ["state"]
    search_fields = ["tenant_id", "waba_id"]
    fields = [
        "id",
        "tenant_id",
        "waba_id",
        "shown_state",
        "shown_progress",
        "shown_counts",
        "error",
        "created_at",
        "started_at",
        "finished_at",
        "took",
    ]
    ordering = ["-id"]

    def render_change_form(self, *args: Any, obj: Any = None, **kwargs: Any) -> HttpResponse:
        """It loads itself again until the run is over."""
        response = super().render_change_form(*args, obj=obj, **kwargs)
        if obj and not obj.is_over:
            response["Refresh"] = str(REFRESH_SECONDS)
        return response

    @display(description=_("state"), ordering="state", label=RUN_COLORS)
    def shown_state(self, run: SyncRun) -> tuple[str, str]:
        return run.state, run.get_state_display()

    @display(description=_("progress"))
    def shown_progress(self, run: SyncRun) -> SafeString:
        total = run.seen if run.is_over else max(run.expected, run.seen)
        return format_html(
            '<progress max="{}" value="{}"></progress> {} of {} templates, {} pages',
            max(total, 1),
            run.seen,
            run.seen,
            total,
            run.pages,
        )

    @display(description=_("changes"))
    def shown_counts(self, run: SyncRun) -> str:
        return f"+{run.added} ~{run.changed} -{run.removed} ={run.unchanged}"

    @display(description=_("error"))
    def shown_error(self, run: SyncRun) -> str:
        return str(run.error["message"])[:200] if run.error else ""

    @display(description=_("took"))
    def took(self, run: SyncRun) -> timedelta | None:
        return (run.finished_at or datetime.now(UTC)) - run.started_at if run.started_at else None


def last_syncs(tenants: set[UUID]) -> dict[UUID, datetime]:
    """When each tenant's templates were last synced."""
    rows = SyncRun.objects.using(SYSTEM).filter(tenant_id__in=tenants, state=SyncRun.State.SUCCEEDED)
    return dict(rows.order_by().values_list("tenant_id").annotate(Max("finished_at")))
