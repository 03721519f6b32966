from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from credentials.sealed_field import SealedField
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned
from oauth import table

# A call with a token that ends sooner than this, or than a tenth of its life, refreshes it first.
LONGEST_MARGIN = timedelta(seconds=300)


class Connection(TenantOwned):
    """One account of a person at one provider, as a tenant may use it. Its tokens are sealed; the rest may be shown."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        NEEDS_REAUTH = "needs_reauth"  # Only the account's owner can mend it; its tokens are wiped.
        REVOKED = "revoked"  # Tokens that are still there are to be revoked at the provider yet.

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(max_length=32)
    account_id = models.CharField(max_length=255, blank=True, help_text="The provider's own; empty where it told none.")
    account = models.CharField(max_length=255, blank=True, help_text="An address or a name to know it by.")
    subject = models.CharField(max_length=255, help_text="Who connected it.")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    reason = models.CharField(max_length=64, blank=True, help_text="Why it is not active.")
    scopes = models.JSONField(default=list, help_text="What was granted.")
    required_scopes = models.JSONField(default=list, help_text="What was asked for.")
    profile = models.JSONField(null=True)
    sealed = SealedField(default=bytes)
    token_version = models.PositiveIntegerField(default=1, help_text="Counts up with each new set of tokens.")
    is_refreshable = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True, help_text="Of the access token; empty where the provider told none.")
    grant_expires_at = models.DateTimeField(null=True, help_text="When only its owner can renew it, if that is known.")
    refreshed_at = models.DateTimeField(null=True, help_text="When these tokens were given.")
    refresh_at = models.DateTimeField(null=True, help_text="When its next refresh, or revocation, is due.")
    failed_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="Refreshes that failed since the last that did not.")
    last_error = models.JSONField(null=True)
    lease_id = models.UUIDField(null=True, help_text="Who is refreshing it.")
    lease_until = models.DateTimeField(null=True)
    expiry_told = models.PositiveSmallIntegerField(null=True, help_text="So many days ahead.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="connection_of_tenant"),
            models.Index(fields=["refresh_at"], name="connection_due", condition=Q(refresh_at__isnull=False)),
            models.Index(fields=["grant_expires_at"], name="connection_grant_end", condition=Q(status="active")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "provider", "account_id"],
                condition=~Q(status="revoked") & ~Q(account_id=""),
                name="one_connection_per_account",
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.account or self.account_id}".strip()

    def is_fresh(self, now: datetime) -> bool:
        """Whether its access token lives long enough to be used, as far as that is known."""
        if self.expires_at is None:
            return True
        life = self.expires_at - (self.refreshed_at or self.created_at)
        return self.expires_at - now > min(LONGEST_MARGIN, life / 10)

    @property
    def can_be_refreshed(self) -> bool:
        """Whether it came with what that takes, and the table, which may have changed since, says that it is done."""
        return self.is_refreshable and table.get(self.provider).is_refreshable

    @property
    def missing_scopes(self) -> list[str]:
        """What was asked for and not granted, where the provider told what it granted."""
        return [scope for scope in self.required_scopes if scope not in self.scopes] if self.scopes else []


class Flow(TenantOwned):
    """One start of a flow, found again by its `state`, of which only a digest is stored. It serves once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    digest = models.BinaryField()
    provider = models.CharField(max_length=32)
    subject = models.CharField(max_length=255)
    redirect_uri = models.CharField(max_length=500)
    scopes = models.JSONField(default=list)
    sealed = SealedField(default=bytes, help_text="The PKCE verifier and the nonce.")
    connection_id = models.UUIDField(null=True, help_text="Which connection is to be mended by it.")
    session_id = models.UUIDField(null=True, help_text="The hosted session it belongs to.")
    return_to = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField(db_index=True)
    consumed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "digest"], name="flow_of_state")]

    def __str__(self) -> str:
        return f"{self.provider} for {self.subject}"


class ConnectSession(TenantOwned):
    """A link that lets somebody without a token of ours connect one account, found by a digest of its own token."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    digest = models.BinaryField()
    subject = models.CharField(max_length=255)
    providers = models.JSONField(default=list, help_text="What may be chosen.")
    scopes = models.JSONField(default=list, help_text="Instead of each provider's own, where there are any.")
    connection_id = models.UUIDField(null=True, help_text="The connection to be mended, or the one that was made.")
    return_to = models.CharField(max_length=500, blank=True)
    opener_origin = models.CharField(
        max_length=300, default="", db_default="", blank=True, help_text="Whose page opens it in a pop-up and is told."
    )
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "digest"], name="session_of_link")]

    def __str__(self) -> str:
        return f"session {self.id}"
