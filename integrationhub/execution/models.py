from datetime import datetime

from django.db import models
from django.db.models.functions import Now

from credentials.sealed_field import SealedField
from integrationhub.core.ids import new_id
from integrationhub.core.moments import read_moment
from integrationhub.core.tenancy import TenantOwned

# Split by month of their ids.
PARTITIONED_TABLES = ("execution_execution", "execution_attempt")
# Payloads are sealed under this name and not under their column's, as they have always been.
PAYLOAD_PLACE = "payload"


class Status(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class Outcome(models.TextChoices):
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Mode(models.TextChoices):
    LIVE = "live"
    SANDBOX = "sandbox"


class Execution(TenantOwned):
    """One request to run an intent. Written before the first provider is called, settled after the last."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request_id = models.CharField(max_length=128)
    subject = models.CharField(max_length=255, blank=True, help_text="The `sub` of the token that asked for it.")
    category = models.CharField(max_length=40)
    intent = models.CharField(max_length=80)
    mode = models.CharField(max_length=10, choices=Mode)
    status = models.CharField(max_length=10, choices=Status)
    options = models.JSONField(default=dict)
    sealed_payload = SealedField(
        place=PAYLOAD_PLACE,
        rows="(status IN ('queued', 'running') OR (sealed_payload IS NOT NULL AND finished_at IS NOT NULL))",
        null=True,
        help_text="Of one that waits; of one that did not succeed for a week, unless it has been retried.",
    )
    quota_period = models.DateField(null=True, help_text="The month whose quota it took a unit of; empty for sandbox.")
    provider_key = models.CharField(max_length=64, blank=True, help_text="Who delivered.")
    fallback_used = models.BooleanField(default=False)
    reference = models.CharField(max_length=500, blank=True)
    result = models.JSONField(default=dict)
    skipped = models.JSONField(default=list)
    routing = models.JSONField(default=dict, db_default={}, help_text="The strategy and the order of the chain.")
    error_code = models.CharField(max_length=80, blank=True)
    error_message = models.TextField(blank=True)
    error_details = models.JSONField(default=dict)
    lease_until = models.DateTimeField(null=True, help_text="Who runs it has died when this has passed.")
    takes = models.PositiveSmallIntegerField(default=0, help_text="How often a worker took it; the last one has it.")
    retry_of = models.UUIDField(null=True, help_text="The execution that this one sent once more.")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    dead_at = models.DateTimeField(
        null=True, help_text="Each worker that took it ended before its first attempt; it waits for an operator."
    )
    duration_ms = models.PositiveIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "id"], name="execution_of_tenant"),
            models.Index(
                fields=["lease_until"], name="execution_unsettled", condition=models.Q(status__in=["queued", "running"])
            ),
            models.Index(fields=["dead_at"], name="execution_dead", condition=models.Q(dead_at__isnull=False)),
            models.Index(
                fields=["finished_at"],
                name="execution_payload_kept",
                condition=models.Q(sealed_payload__isnull=False, finished_at__isnull=False),
            ),
            models.Index(fields=["retry_of"], name="execution_retried", condition=models.Q(retry_of__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.intent}"

    def moment_of(self, option: str) -> datetime | None:
        """The time that an option names, if it was given."""
        return read_moment(self.options[option]) if self.options.get(option) else None

    @property
    def due_at(self) -> datetime:
        """Since when it waits to be run, or will."""
        return max(self.created_at, self.moment_of("send_at") or self.created_at)


class Attempt(TenantOwned):
    """One try at one provider. Its row stands before the provider is called."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # No foreign key: both tables are partitioned by month and written by one statement, and dropping an old month of
    # executions must not wait for every attempt to be looked through.
    execution_id = models.UUIDField()
    sequence = models.PositiveSmallIntegerField()
    provider_key = models.CharField(max_length=64)
    outcome = models.CharField(max_length=10, choices=Outcome)
    outcome_class = models.CharField(max_length=10, blank=True)
    reason = models.CharField(max_length=80, blank=True)
    code = models.CharField(max_length=80, blank=True)
    message = models.TextField(blank=True)
    upstream_status = models.PositiveSmallIntegerField(null=True)
    retryable = models.BooleanField(default=False)
    latency_ms = models.PositiveIntegerField(null=True)
    started_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["execution_id"], name="attempt_of_execution")]

    def __str__(self) -> str:
        return f"{self.provider_key} {self.sequence}"


class DeliveryStatus(models.TextChoices):
    """In their order: a failure ends what was accepted or sent, and what has reached somebody did not fail."""

    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"

    @classmethod
    def rank(cls, status: str) -> int:
        """How far a message of this status came: of two the higher one stands."""
        return cls.values.index(status)


class Delivery(TenantOwned):
    """What became of a message that a provider has accepted, as far as the provider tells."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, help_text="That of its attempt.")
    # No foreign keys, as of an attempt.
    execution_id = models.UUIDField()
    provider_key = models.CharField(max_length=64)
    reference = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.ACCEPTED)
    timeline = models.JSONField(default=list, db_default=[], help_text="What was told of it, as it came.")
    wanted = models.CharField(
        max_length=10,
        blank=True,
        db_default="",
        help_text="How far it has to come for its execution to have succeeded.",
    )
    due_at = models.DateTimeField(null=True, help_text="Until then it is waited for; null: nobody waits.")
    look_at = models.DateTimeField(null=True, help_text="When it is looked at, if nothing is told before.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "provider_key", "reference"], name="delivery_of_reference"),
        ]
        indexes = [
            models.Index(fields=["execution_id"], name="delivery_of_execution"),
            models.Index(fields=["look_at"], name="delivery_due", condition=models.Q(look_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.provider_key} {self.reference}"


class Strategy(models.TextChoices):
    PRIORITY = "priority"
    WEIGHTED = "weighted"
    HEALTHIEST = "healthiest"


class Route(TenantOwned):
    """A tenant's own order of providers for one intent."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    intent = models.CharField(max_length=80)
    providers = models.JSONField(help_text='[{"provider_key": "twilio_sms", "weight": 80}, ...] in order')
    strategy = models.CharField(
        max_length=10,
        choices=Strategy,
        blank=True,
        default="",
        db_default="",
        help_text="Empty: weighted, where there are weights.",
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "intent"], name="route_once")]

    def __str__(self) -> str:
        return f"route of {self.intent}"
