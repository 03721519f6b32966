from django.db import models

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned

LONGEST_ACTION, LONGEST_ACTOR, LONGEST_ABOUT = 80, 300, 300


class Entry(TenantOwned):
    """Something that was done or refused. `trail.record` writes it; nobody changes or deletes it.

    Sequence, time and both hashes are the database's: a trigger sets them, whatever a writer says
    (migrations/0001_initial.py).
    """

    rights = "SELECT, INSERT"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    sequence = models.BigIntegerField(editable=False, help_text="1, 2, 3, ... without a gap, for each tenant.")
    created_at = models.DateTimeField("time", editable=False)
    action = models.CharField(max_length=LONGEST_ACTION, help_text='As in "credential.bound".')
    actor = models.CharField(
        max_length=LONGEST_ACTOR,
        help_text='The subject of a token, "operator:" and a user name, "system" or "unknown".',
    )
    about = models.CharField(
        max_length=LONGEST_ABOUT,
        blank=True,
        help_text='A type and an id or a key, as in "provider:twilio_sms"; a route.',
    )
    request_id = models.CharField(max_length=128, blank=True)
    details = models.JSONField(default=dict, help_text="Ids and words: never a secret.")
    previous_hash = models.CharField(max_length=64, blank=True, editable=False, help_text="Empty in the first entry.")
    hash = models.CharField(max_length=64, editable=False)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        constraints = [models.UniqueConstraint(fields=["tenant_id", "sequence"], name="audit_one_successor")]
        indexes = [
            models.Index(fields=["actor"], name="audit_by"),
            models.Index(fields=["about"], name="audit_about"),
            models.Index(fields=["request_id"], name="audit_request"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.about}".strip()


class Head(TenantOwned):
    """The end of a tenant's chain, moved by the trigger alone. Its row lock is what writers of one tenant wait for."""

    rights = "SELECT"

    tenant_id = models.UUIDField(primary_key=True, editable=False)
    sequence = models.BigIntegerField()
    hash = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.sequence} {self.hash}"
