from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from integrationhub.core.operators import ReadOnlyAdmin
from oauth.totp.codes import STEP_SECONDS
from oauth.totp.models import Enrolment

CONFIRMED, WAITING = "confirmed", "waiting"


@admin.register(Enrolment)
class EnrolmentAdmin(ReadOnlyAdmin):
    """Who has an authenticator app. Neither the secret nor its ciphertext is on any page."""

    list_display = ["account", "tenant_id", "shown_state", "last_used", "last_failed", "created_at"]
    list_filter = [("confirmed_at", admin.EmptyFieldListFilter)]
    search_fields = ["tenant_id", "account"]
    fields = ["id", "tenant_id", "account", "confirmed_at", "last_used", "last_failed", "created_at"]
    ordering = ["-id"]

    @display(description=_("state"), ordering="confirmed_at", label={CONFIRMED: "success", WAITING: "warning"})
    def shown_state(self, enrolment: Enrolment) -> tuple[str, Any]:
        return (CONFIRMED, _("confirmed")) if enrolment.confirmed_at else (WAITING, _("waits for its first code"))

    @display(description=_("latest code of"), ordering="last_used_step")
    def last_used(self, enrolment: Enrolment) -> datetime | None:
        step = enrolment.last_used_step
        return datetime.fromtimestamp(step * STEP_SECONDS, UTC) if step else None

    @display(description=_("latest wrong code"))
    def last_failed(self, enrolment: Enrolment) -> datetime | None:
        return enrolment.failed_at[-1] if enrolment.failed_at else None
