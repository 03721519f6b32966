from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned


class AnswerKey(models.Model):
    """A key that stored answers are sealed with, itself wrapped by a key-encryption key of the settings."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wrapped = models.BinaryField()
    kek_id = models.CharField(max_length=64)
    first_kek_id = models.CharField(max_length=64, help_text="Which key-encryption key it was made under.")
    is_current = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_current"], condition=Q(is_current=True), name="one_current_answer_key")
        ]

    def __str__(self) -> str:
        return f"answer key {self.id}"


class StoredAnswer(TenantOwned):
    """One key's claim; once answered, the sealed answer that every repeat is given."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    path = models.CharField(max_length=300, help_text="The request's path without its version.")
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(help_text="Keyed hash of the canonical body.")
    execution_id = models.UUIDField(null=True)
    answer = models.BinaryField(null=True, help_text="Sealed; empty while the first request runs.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "path", "key"], name="idempotency_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]

    def __str__(self) -> str:
        return f"{self.path} {self.id}"
