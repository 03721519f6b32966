from datetime import datetime

from django.db import models
from django.db.models import Q

from credentials.sealed_field import SealedField
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned


class TenantKey(TenantOwned):
    """A key that one tenant's secrets are sealed with, itself wrapped by a key-encryption key: one of the settings, or
    a version of Transit's (`transit/<key>:v<n>`). One is current; a retired one opens what still names it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wrapped = models.BinaryField()
    kek_id = models.CharField(max_length=64)
    first_kek_id = models.CharField(
        max_length=64, db_default="", help_text="Which key-encryption key it was made under."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True)
    unused_since = models.DateTimeField(null=True, help_text="No row has named it since then.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id"], condition=Q(retired_at__isnull=True), name="one_current_key_per_tenant"
            )
        ]
        indexes = [models.Index(fields=["tenant_id"], name="key_of_tenant")]

    def __str__(self) -> str:
        return f"key of tenant {self.tenant_id}"


class Leftover(TenantOwned):
    """A secret in the vault that no row holds: not yet, or not any more. It is deleted there once it is due."""

    id = models.UUIDField(
        primary_key=True, default=new_id, editable=False, help_text="The id under which the vault keeps it."
    )
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"secret {self.id}"


class Credential(TenantOwned):
    """One version of what a tenant gave us for one provider. The secret itself is sealed; the rest may be shown."""

    class Status(models.TextChoices):
        PENDING = "pending"  # On trial: its provider is being asked about it.
        ACTIVE = "active"
        SUPERSEDED = "superseded"
        ROLLED_BACK = "rolled_back"  # Was in use until the version before it came back. Its secret is wiped.
        REVOKED = "revoked"  # Its secret is wiped.

    class Verified(models.TextChoices):
        VERIFIED = "verified"
        FAILED = "failed"
        UNCHECKED = "unchecked"
        NOT_SUPPORTED = "not_supported"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider_key = models.CharField(max_length=64)
    sealed = SealedField(default=bytes, is_kept=True)
    key_id = models.CharField(max_length=64, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(max_length=32)
    version = models.PositiveIntegerField()
    verified = models.CharField(max_length=16, choices=Verified.choices)
    expires_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="The provider has refused it since then; empty while it is accepted."
    )
    watched_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then refusals bring the version before back."
    )
    refusals = models.PositiveIntegerField(default=0, db_default=0, help_text="While it is watched.")
    expiry_told = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Its owner was told so many days ahead that it expires; 0: that it has."
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="credential_of_tenant"),
            models.Index(fields=["expires_at"], name="credential_expiry", condition=Q(status="active")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "provider_key", "version"], name="credential_version_once"),
            models.UniqueConstraint(
                fields=["tenant_id", "provider_key"],
                condition=Q(status="active"),
                name="one_active_credential_per_provider",
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "provider_key"],
                condition=Q(status="pending"),
                name="one_pending_credential_per_provider",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_key} version {self.version}"

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now
