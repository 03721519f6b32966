import uuid
from typing import Any

from django.db import models


class Provider(models.Model):
    key = models.CharField(max_length=64, unique=True)
    base_url = models.CharField(max_length=300)
    active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.key


class Installation(models.Model):
    tenant_id = models.UUIDField(db_index=True)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT)
    priority = models.PositiveSmallIntegerField()
    enabled = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"{self.provider_id} of {self.tenant_id}"


class Credential(models.Model):
    tenant_id = models.UUIDField()
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT)
    sealed = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "provider"], name="one_credential")]

    def __str__(self) -> str:
        return f"{self.provider_id} of {self.tenant_id}"


class Quota(models.Model):
    tenant_id = models.UUIDField(primary_key=True)
    executions = models.BigIntegerField()
    used = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.used} of {self.executions}"


class Execution(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant_id = models.UUIDField(db_index=True)
    category = models.CharField(max_length=40)
    intent = models.CharField(max_length=80)
    status = models.CharField(max_length=10, default="running")
    provider_key = models.CharField(max_length=64, blank=True)
    fallback_used = models.BooleanField(default=False)
    reference = models.CharField(max_length=500, blank=True)
    result: "models.JSONField[Any, Any]" = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.id} {self.intent}"


class Attempt(models.Model):
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="attempts")
    sequence = models.PositiveSmallIntegerField()
    provider_key = models.CharField(max_length=64)
    outcome = models.CharField(max_length=10, default="started")
    reason = models.CharField(max_length=80, blank=True)
    upstream_status = models.PositiveSmallIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    started_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["sequence"]

    def __str__(self) -> str:
        return f"{self.provider_key} {self.sequence}"


class Webhook(models.Model):
    headers: "models.JSONField[Any, Any]" = models.JSONField(default=dict)
    payload: "models.JSONField[Any, Any]" = models.JSONField(default=dict)
    status = models.CharField(max_length=10, default="received")
    received_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"
