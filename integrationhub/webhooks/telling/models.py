from datetime import UTC, datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from credentials.sealed_field import SealedField
from credentials.vault import Context
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned

KEPT = timedelta(days=30)
# Nothing is delivered for so long, and it goes on failing: then it is disabled.
LONGEST_FAILING = timedelta(days=5)
# So long without a failure, and the count begins anew: of what is hardly sent anything, one is not what the other was.
QUIET = timedelta(days=1)


class Disabled(models.TextChoices):
    """Why a subscription is told nothing."""

    BY_REQUEST = "by_request"
    FAILING = "failing"
    GONE = "gone"


class Subscription(TenantOwned):
    """An address of the tenant's own that is told of events. A database trigger makes a delivery for it of each."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    url = models.CharField(max_length=2000)
    event_types = ArrayField(models.CharField(max_length=80), help_text='Whole, or as "message.*", or "*".')
    description = models.CharField(max_length=200, blank=True)
    is_enabled = models.BooleanField(default=True)
    is_ordered = models.BooleanField(default=False, help_text="What is of one thing is told one after the other.")
    sealed = SealedField()
    previous_sealed = SealedField(default=bytes, place="sealed", help_text="The secret before; moved as it was sealed.")
    previous_until = models.DateTimeField(null=True, help_text="Until then it signs too.")
    older_sealed = SealedField(
        default=bytes, db_default=b"", place="sealed", help_text="The one before that, if it still signs."
    )
    older_until = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True, help_text="Nothing has been delivered since.")
    last_failed_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=12, choices=Disabled, blank=True)
    free_at = models.DateTimeField(db_default=Now(), help_text="A worker is at it until then, or it is left alone.")
    takes = models.PositiveIntegerField(default=0, help_text="Which worker: the one that was given this number.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "webhook subscription"
        indexes = [models.Index(fields=["tenant_id", "id"], name="subscription_of_tenant")]

    def __str__(self) -> str:
        return f"subscription {self.id}"  # Some hold a secret in their address.

    @property
    def place(self) -> Context:
        """Where its secrets are sealed for."""
        return Context(self.tenant_id, self._meta.db_table, self.id, "sealed")

    @property
    def still_signing(self) -> list[tuple[bytes, datetime]]:
        """The secrets before the one in use that sign beside it, sealed, and until when each does."""
        before = [(self.previous_sealed, self.previous_until), (self.older_sealed, self.older_until)]
        now = datetime.now(UTC)
        return [(bytes(sealed), until) for sealed, until in before if until and until > now]

    @property
    def will_be_disabled_at(self) -> datetime | None:
        """If it goes on failing until then. None: it does not fail, or not any more, or is disabled."""
        last = self.last_failed_at
        if not (self.is_enabled and self.failing_since and last and last > datetime.now(UTC) - QUIET):
            return None
        return self.failing_since + LONGEST_FAILING

    @property
    def previous_secret_until(self) -> datetime | None:
        """When the last of them ends."""
        return max((until for _, until in self.still_signing), default=None)


class Delivery(TenantOwned):
    """One event on its way to one subscription. The row is the job: while it is pending, it is due at some time."""

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        SKIPPED = "skipped"
        DEAD = "dead"

    # As a webhook that came in has them, for the list of both.
    direction = "out"
    provider_key = ""
    duplicates = 0

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subscription_id = models.UUIDField()
    event_id = models.UUIDField(help_text="Told to the receiver as webhook-id: the same each time.")
    type = models.CharField(max_length=80)
    key = models.CharField(max_length=255, help_text="What it is about; an ordered subscription goes by it.")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    tries = models.PositiveSmallIntegerField(default=0, help_text="Since it was written, or replayed.")
    due_at = models.DateTimeField(null=True, help_text="Not before; in a worker's hands, when another may take it.")
    attempts = models.JSONField(default=list, help_text="When it was sent, and what the receiver answered.")
    replays = models.PositiveIntegerField(default=0)
    occurred_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(fields=["tenant_id", "id"], name="told_of_tenant"),
            models.Index(fields=["subscription_id", "due_at"], name="told_due", condition=models.Q(status="pending")),
            models.Index(
                fields=["subscription_id", "key", "id"], name="told_in_order", condition=models.Q(status="pending")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"

    @property
    def reference(self) -> str:
        return str(self.event_id)

    @property
    def received_at(self) -> object:
        return self.occurred_at

    @property
    def processed_at(self) -> object:
        return self.delivered_at
