from django.db import models
from django.db.models.functions import Now

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned


class OutboxMessage(TenantOwned):
    """A task to publish. The row goes once the broker has taken it; a broker that is away only delays it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task = models.CharField(max_length=200)
    queue = models.CharField(max_length=40)
    arguments = models.JSONField(help_text="Ids only: never a payload, never a secret.")
    request_id = models.CharField(max_length=128, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now(), help_text="Not before; pushed back by a claim and by a failure.")
    failures = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="outbox_due")]

    def __str__(self) -> str:
        return f"{self.task} {self.id}"
