from typing import Any

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned
from providers import registry
from providers.models import Provider, Status

MAX_PRIORITY = 1000
DEFAULT_PRIORITY = 100


class IntegrationQuerySet(models.QuerySet["Integration"]):
    def visible(self) -> "IntegrationQuerySet":
        """What tenants may see: published, its provider not retired, and no sandbox where that is off."""
        shown = self.filter(published=True).exclude(provider__status=Status.RETIRED)
        return shown.exclude(provider__provider_key__in=registry.hidden_keys()).select_related("provider")


class Integration(models.Model):
    """A shelf of the marketplace: a provider as tenants find it. Shared by all of them."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=64, unique=True)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="integrations")
    name = models.CharField(max_length=100)
    summary = models.CharField(max_length=300, blank=True)
    published = models.BooleanField(default=True)

    objects = IntegrationQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                name="integration_slug_is_a_slug",
                condition=Q(slug__regex=r"^[a-z][a-z0-9_-]{1,63}$"),
                violation_error_message="2 to 64 of a-z, 0-9, _ and -, beginning with a letter.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Installation(TenantOwned):
    """A tenant's use of an integration. Of several for one intent, the lowest `priority` is tried first."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.PROTECT, related_name="+")
    priority = models.PositiveSmallIntegerField(default=DEFAULT_PRIORITY, validators=[MaxValueValidator(MAX_PRIORITY)])
    enabled = models.BooleanField(default=True)
    config: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "integration"], name="installed_once"),
            models.CheckConstraint(name="priority_in_range", condition=Q(priority__lte=MAX_PRIORITY)),
        ]

    def __str__(self) -> str:
        return f"{self.integration_id} of tenant {self.tenant_id}"


class Tier(models.Model):
    """What a tenant may use: executions a month (none: no limit) and requests a minute."""

    key = models.CharField(max_length=32, primary_key=True)
    name = models.CharField(max_length=64)
    monthly_quota = models.PositiveBigIntegerField(null=True, blank=True, help_text="Empty means without limit.")
    requests_per_minute = models.PositiveIntegerField()

    class Meta:
        ordering = ["requests_per_minute", "key"]

    def __str__(self) -> str:
        return self.name


class Subscription(TenantOwned):
    """The tier that a tenant is on."""

    tenant_id = models.UUIDField(primary_key=True)
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="+")
    told_period = models.DateField(null=True, editable=False, help_text="Of which month its usage was last told.")
    told_percent = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    told_quota = models.PositiveBigIntegerField(null=True, editable=False, help_text="Of which quota that was.")

    def __str__(self) -> str:
        return f"{self.tier_id} for tenant {self.tenant_id}"


class Usage(TenantOwned):
    """A part of the executions counted for a tenant in one month; `period` is the month's first day (UTC).

    All parts together are the count; which of them an execution is counted in means nothing.
    """

    pk = models.CompositePrimaryKey("tenant_id", "period", "part")
    period = models.DateField()
    part = models.PositiveSmallIntegerField(default=0, db_default=0)
    used = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(name="usage_is_not_negative", condition=Q(used__gte=0))]

    def __str__(self) -> str:
        return f"{self.used} in {self.period:%Y-%m} by tenant {self.tenant_id}"
