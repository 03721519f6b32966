from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action, display

from integrationhub.core.operators import ReadOnlyAdmin
from integrationhub.outbox import redriving
from integrationhub.outbox.models import Event, OutboxMessage, State


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    """What waits for the broker, and what is dead because it cannot be published. Empty when all is well."""

    list_display = ("shown_task", "shown_state", "last_error", "failures", "faults", "due_at")
    list_filter = ("state", "queue", "task")
    actions = ("redrive",)

    @display(
        description="state",
        ordering="state",
        label={State.SCHEDULED: "info", State.WAITING: "info", State.DEAD: "danger"},
    )
    def shown_state(self, message: OutboxMessage) -> str:
        return message.state

    @admin.display(description="task", ordering="task")
    def shown_task(self, message: OutboxMessage) -> str:
        return message.task.rpartition(".")[2]

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("outbox.change_outboxmessage")

    @action(description="Redrive: publish dead ones again", permissions=["redrive"])
    def redrive(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        chosen = {message.id: message for message in queryset}
        redriven = redriving.redrive(chosen)
        # In the order of their tenants, whose chains the records lock.
        for message in sorted((chosen[message_id] for message_id in redriven), key=lambda message: message.tenant_id):
            self.log_change(request, message, "Redriven.")
        self.message_user(request, f"{len(redriven)} dead messages wait for the relay again.")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """What happened to what tenants own, newest first."""

    list_display = ("kind", "tenant_id", "data", "created_at")
    list_filter = ("kind",)
    search_fields = ("tenant_id__exact",)
    search_help_text = "exact tenant id"
    ordering = ("-id",)
    show_full_result_count = False
