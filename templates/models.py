from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned

# The only status in which Meta sends a template. https://developers.facebook.com/docs/whatsapp/message-templates
SENDABLE = "APPROVED"


class MessageTemplate(TenantOwned):
    """A template as Meta told it last. Words of Meta's are kept as text: it has more of them each year."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    waba_id = models.TextField(help_text="The WhatsApp Business account that it belongs to.")
    meta_id = models.TextField()
    name = models.TextField()
    language = models.TextField(help_text='As Meta writes it: "en" and "en_US" are two templates.')
    status = models.TextField()
    category = models.TextField(blank=True)
    previous_category = models.TextField(blank=True)
    parameter_format = models.TextField(blank=True, help_text="POSITIONAL or NAMED; empty in old listings.")
    components = models.JSONField(default=list)
    quality = models.TextField(blank=True, help_text="GREEN, YELLOW, RED or UNKNOWN.")
    rejected_reason = models.TextField(blank=True)
    told_at = models.DateTimeField(null=True, help_text="When a webhook last changed it.")
    told_times = models.JSONField(
        default=dict, db_default={}, help_text="When, by Meta's clock, what webhooks told was so: by their fields."
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now(), help_text="When a sync or a webhook last changed it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "waba_id", "meta_id"], name="template_of_meta_id"),
            # Two templates may change names within one sync; it is the end of the sync that counts.
            models.UniqueConstraint(
                fields=["tenant_id", "waba_id", "name", "language"],
                name="template_of_name",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.language})"

    @property
    def is_sendable(self) -> bool:
        return self.status == SENDABLE


class SyncRun(TenantOwned):
    """One reading of a tenant's templates from Meta. A tenant has at most one that is not over."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    waba_id = models.TextField(blank=True)
    pages = models.PositiveIntegerField(default=0, help_text="Read so far.")
    seen = models.PositiveIntegerField(default=0, help_text="Templates read so far.")
    expected = models.PositiveIntegerField(default=0, help_text="How many the tenant had before; Meta tells no total.")
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    error = models.JSONField(null=True, help_text="Code, message and details of what made it fail.")
    lease_id = models.UUIDField(null=True, help_text="Who is at it.")
    lease_until = models.DateTimeField(null=True, help_text="By then another may take it over.")
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id"], condition=Q(state__in=["queued", "running"]), name="one_sync_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["tenant_id", "-id"], name="sync_run_of_tenant")]

    def __str__(self) -> str:
        return f"{self.state} sync {self.id}"

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.SUCCEEDED, self.State.FAILED)
