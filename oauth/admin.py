from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from integrationhub.core.operators import ReadOnlyAdmin
from oauth.models import Connection

FAILING = "failing"
STATES = {
    Connection.Status.ACTIVE: _("works"),
    Connection.Status.NEEDS_REAUTH: _("needs its owner"),
    Connection.Status.REVOKED: _("given up"),
}
COLORS = {Connection.Status.ACTIVE: "success", Connection.Status.NEEDS_REAUTH: "danger", FAILING: "warning"}


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """Whose accounts are connected, and how they do. Neither a token nor its ciphertext is on any page."""

    list_display = ["shown_account", "provider", "tenant_id", "shown_state", "reason", "expires_at", "refresh_at"]
    list_filter = ["provider", "status", ("last_error", admin.EmptyFieldListFilter)]
    search_fields = ["tenant_id", "account", "account_id", "subject"]
    fields = [
        "id",
        "tenant_id",
        "provider",
        "account",
        "account_id",
        "subject",
        "shown_state",
        "reason",
        "scopes",
        "required_scopes",
        "is_refreshable",
        "expires_at",
        "grant_expires_at",
        "refreshed_at",
        "refresh_at",
        "failures",
        "last_error",
        "token_version",
        "created_at",
        "updated_at",
    ]
    ordering = ["-id"]

    @display(description=_("account"), ordering="account")
    def shown_account(self, connection: Connection) -> str:
        return connection.account or connection.account_id or str(connection.id)

    @display(description=_("state"), ordering="status", label=COLORS)
    def shown_state(self, connection: Connection) -> tuple[str, Any]:
        if connection.status == Connection.Status.ACTIVE and connection.failures:
            return FAILING, _("refreshes fail")
        return connection.status, STATES[Connection.Status(connection.status)]
