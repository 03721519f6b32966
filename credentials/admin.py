from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from credentials.expiring import TOLD_AT
from credentials.models import Credential
from integrationhub.core.operators import ReadOnlyAdmin

FAILING, EXPIRED, SOON = "failing", "expired", "soon"
STATES = {
    Credential.Status.PENDING: _("on trial"),
    Credential.Status.ACTIVE: _("in use"),
    Credential.Status.SUPERSEDED: _("superseded"),
    Credential.Status.ROLLED_BACK: _("rolled back"),
    Credential.Status.REVOKED: _("revoked"),
}
COLORS = {
    Credential.Status.PENDING: "info",
    Credential.Status.ACTIVE: "success",
    Credential.Status.ROLLED_BACK: "warning",
    FAILING: "danger",
}


@admin.register(Credential)
class CredentialAdmin(ReadOnlyAdmin):
    """What is bound, by whom it is used and until when. Neither the secret nor its ciphertext is on any page."""

    list_display = [
        "provider_key",
        "tenant_id",
        "version",
        "shown_state",
        "last4",
        "verified",
        "failing_since",
        "shown_expiry",
    ]
    list_filter = ["status", ("failing_since", admin.EmptyFieldListFilter), "verified", "provider_key"]
    search_fields = ["tenant_id", "provider_key", "fingerprint"]
    fields = [
        "id",
        "tenant_id",
        "provider_key",
        "version",
        "shown_state",
        "last4",
        "fingerprint",
        "verified",
        "failing_since",
        "refusals",
        "watched_until",
        "shown_expiry",
        "expires_at",
        "expiry_told",
        "key_id",
        "created_at",
        "updated_at",
    ]
    ordering = ["-id"]

    @display(description=_("state"), ordering="status", label=COLORS)
    def shown_state(self, credential: Credential) -> tuple[str, Any]:
        if credential.status == Credential.Status.ACTIVE and credential.failing_since:
            return FAILING, _("in use, refused")
        return credential.status, STATES[Credential.Status(credential.status)]

    @display(description=_("expires"), ordering="expires_at", label={EXPIRED: "danger", SOON: "warning"})
    def shown_expiry(self, credential: Credential) -> tuple[str, Any] | None:
        if credential.expires_at is None:
            return None
        day, left = f"{credential.expires_at:%Y-%m-%d}", credential.expires_at - datetime.now(UTC)
        if left <= timedelta(0):
            return EXPIRED, _("expired on %(day)s") % {"day": day}
        words = _("%(day)s (%(days)d days left)") % {"day": day, "days": left.days}
        return SOON if left.days < max(TOLD_AT) else "", words
