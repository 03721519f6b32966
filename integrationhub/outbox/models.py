from datetime import timedelta

from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned

# Its messages are published tenant by tenant, and no more of them than workers will soon take.
FAIR_QUEUE = "execute"
EVENTS_KEPT = timedelta(days=90)


class State(models.TextChoices):
    SCHEDULED = "scheduled"
    WAITING = "waiting"
    DEAD = "dead"


class OutboxMessage(TenantOwned):
    """A task to publish. The row goes once the broker has taken it; a broker that is away only delays it.

    One that is scheduled waits for its time first, and then for its turn. One that cannot be published for its own sake
    is dead after some tries, and stays until an operator redrives it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task = models.CharField(max_length=200)
    queue = models.CharField(max_length=40)
    arguments = models.JSONField(help_text="Ids only: never a payload, never a secret.")
    request_id = models.CharField(max_length=128, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now(), help_text="Not before; pushed back by a claim and by a failure.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    failures = models.PositiveIntegerField(default=0, help_text="How often the broker was away when its turn came.")
    faults = models.PositiveSmallIntegerField(
        default=0, help_text="How often it could not be published for its own sake."
    )
    last_error = models.CharField(max_length=500, blank=True)
    # A column, since row-level security lets no index serve a question to JSON: its operators may leak.
    execution_id = models.GeneratedField(
        expression=KeyTextTransform("execution_id", "arguments"),
        output_field=models.TextField(null=True),
        db_persist=True,
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at"], name="outbox_due", condition=models.Q(state="waiting") & ~models.Q(queue=FAIR_QUEUE)
            ),
            models.Index(
                fields=["tenant_id", "due_at"],
                name="outbox_due_of_tenant",
                condition=models.Q(state="waiting", queue=FAIR_QUEUE),
            ),
            models.Index(fields=["due_at"], name="outbox_scheduled", condition=models.Q(state="scheduled")),
            models.Index(fields=["execution_id"], name="outbox_of_execution", condition=models.Q(state="waiting")),
            models.Index(
                fields=["execution_id"], name="outbox_scheduled_execution", condition=models.Q(state="scheduled")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.id}"


class Event(TenantOwned):
    """Something that happened to what a tenant owns. Kept as it was; nothing changes it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=80, help_text='"<thing>.<what became of it>", as in "credential.failing".')
    data = models.JSONField(default=dict, help_text="Ids and words: never a secret.")
    created_at = models.DateTimeField(db_default=Now(), help_text="Ninety days later the event is deleted.")

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "id"], name="event_of_tenant")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
