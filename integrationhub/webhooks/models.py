from datetime import timedelta
from uuid import UUID

from django.db import models
from django.db.models.functions import Now

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned

# Whose row it is that belongs to no tenant (yet): what came to the address that all share, and events of numbers that
# nobody has bound. No token is issued for it, so that operators alone see such rows, in the admin.
NOBODY = UUID(int=0)
# Meta repeats a webhook for seven days; what is kept longer also recognizes a repeat by hand.
KEPT = timedelta(days=30)


class Endpoint(TenantOwned):
    """The address of a tenant's own app at a provider. Of its token the digest alone is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider_key = models.CharField(max_length=64)
    digest = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), help_text="Since when it has the token of now.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "provider_key"], name="endpoint_of_provider"),
        ]
        indexes = [models.Index(fields=["digest"], name="endpoint_of_token")]

    def __str__(self) -> str:
        return f"{self.provider_key} {self.id}"


class Post(TenantOwned):
    """What a provider sent, as it was sent: stored before it is answered, and taken apart by a worker."""

    class Status(models.TextChoices):
        RECEIVED = "received"
        PROCESSED = "processed"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider_key = models.CharField(max_length=64)
    digest = models.BinaryField(help_text="SHA-256 of the body: one that comes again is the same row.")
    body = models.BinaryField()
    query = models.TextField(blank=True, db_default="", help_text="What followed the address.")
    headers = models.JSONField(default=dict)
    secret = models.CharField(max_length=10, help_text="Which secret it was signed with: current or previous.")
    request_id = models.CharField(max_length=128, blank=True)
    repeats = models.PositiveIntegerField(default=0, help_text="How often the same bytes came again.")
    status = models.CharField(max_length=10, choices=Status, default=Status.RECEIVED)
    takes = models.PositiveSmallIntegerField(default=0, help_text="How many workers have taken it.")
    lease_until = models.DateTimeField(null=True, help_text="Until then somebody else sees to it; null: it is done.")
    received_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "provider_key", "digest"], name="post_of_bytes"),
        ]
        indexes = [
            models.Index(fields=["lease_until"], name="post_due", condition=models.Q(status="received")),
        ]

    def __str__(self) -> str:
        return f"{self.provider_key} {self.id}"


class WebhookEvent(TenantOwned):
    """One thing that a provider told: a message, a status, a change of a template. It exists once for its tenant."""

    class Direction(models.TextChoices):
        IN = "in"
        OUT = "out"

    class Status(models.TextChoices):
        RECEIVED = "received"
        PROCESSED = "processed"
        KEPT = "kept"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    direction = models.CharField(max_length=3, choices=Direction, default=Direction.IN)
    provider_key = models.CharField(max_length=64)
    type = models.CharField(max_length=80)
    key = models.BinaryField(help_text="What makes it this one event, digested.")
    reference = models.CharField(max_length=255, blank=True, help_text="The provider's id of what it is about.")
    payload = models.TextField(help_text="Its part of the body, in the provider's own shape.")
    told = models.JSONField(default=dict, db_default={}, help_text="What an adapter has read from it beside the rest.")
    post_id = models.UUIDField()
    is_shared = models.BooleanField(default=False, help_text="Whether it came by the address that all tenants share.")
    secret = models.CharField(max_length=10, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.RECEIVED)
    attempts = models.JSONField(default=list, help_text="When it was handled, and what came of it.")
    due_at = models.DateTimeField(null=True, help_text="When it is handled again, if nobody has done so before.")
    duplicates = models.PositiveIntegerField(default=0, help_text="How often it came again.")
    replays = models.PositiveIntegerField(default=0)
    occurred_at = models.DateTimeField(null=True, help_text="By the provider's clock; null: it did not say.")
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "provider_key", "key"], name="event_told_once"),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "id"], name="webhook_event_of_tenant"),
            models.Index(fields=["due_at"], name="webhook_event_due", condition=models.Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class RefusedPost(TenantOwned):
    """A body that was badly signed, for whoever looks for the reason. Nothing reads it but people."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider_key = models.CharField(max_length=64)
    reason = models.CharField(max_length=40)
    explanation = models.CharField(max_length=500, help_text="What was given, and what was expected.")
    headers = models.JSONField(default=dict)
    body = models.BinaryField(help_text="Its first 64 KiB.")
    size = models.PositiveIntegerField()
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "provider_key", "id"], name="refused_of_endpoint")]

    def __str__(self) -> str:
        return f"{self.reason} {self.id}"
