from django.contrib import admin

from integrationhub.core.operators import ReadOnlyAdmin
from integrationhub.outbox.models import OutboxMessage


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    """What waits for the broker. Empty when all is well."""

    list_display = ("id", "task", "queue", "due_at", "failures", "last_error", "created_at")
    list_filter = ("queue", "task")
