from django.contrib import admin

from credentials.models import Credential
from integrationhub.core.operators import ReadOnlyAdmin


@admin.register(Credential)
class CredentialAdmin(ReadOnlyAdmin):
    """What is bound, by whom it is used and until when. Neither the secret nor its ciphertext is on any page."""

    list_display = [
        "provider_key",
        "tenant_id",
        "status",
        "version",
        "last4",
        "verified",
        "failing_since",
        "expires_at",
    ]
    list_filter = ["status", ("failing_since", admin.EmptyFieldListFilter), "verified", "provider_key"]
    search_fields = ["tenant_id", "provider_key", "fingerprint"]
    fields = [
        "id",
        "tenant_id",
        "provider_key",
        "status",
        "version",
        "last4",
        "fingerprint",
        "verified",
        "failing_since",
        "expires_at",
        "key_id",
        "created_at",
        "updated_at",
    ]
    ordering = ["-id"]
