from collections.abc import Collection
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from integrationhub.core import tenant_version
from integrationhub.core.ids import new_id
from providers import base_urls, registry
from providers.adapter import Adapter

KEY_PATTERN = r"^[a-z][a-z0-9_]{2,63}$"


class Category(models.TextChoices):
    MESSAGING = "messaging"
    STORAGE = "storage"
    AUTOMATION = "automation"
    # No intents are of it: people connect their accounts there.
    IDENTITY = "identity"


class Status(models.TextChoices):
    PLANNED = "planned"
    ACTIVE = "active"
    DISABLED = "disabled"
    RETIRED = "retired"


class ProviderQuerySet(models.QuerySet["Provider"]):
    def visible(self) -> Self:
        """Rows that tenants may see: all of them, without the sandbox where it is off."""
        return self.exclude(provider_key__in=registry.hidden_keys())


class Provider(models.Model):
    """A service that the hub can talk to: operators' data, shared by all tenants. Its key names its adapter."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider_key = models.CharField(max_length=64, unique=True)
    display_name = models.CharField(max_length=100)
    category = models.CharField(max_length=20, choices=Category.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PLANNED)
    summary = models.CharField(max_length=300, blank=True)
    base_url = models.CharField(
        max_length=300,
        blank=True,
        help_text="Only where this deployment reaches the provider at another address than the adapter's own; https "
        "(http only to a network that OUTBOUND_ALLOWED_NETWORKS opens).",
    )
    position = models.PositiveIntegerField(default=100, help_text="Providers are listed from the lowest number up.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering = ["position", "provider_key"]
        constraints = [
            models.CheckConstraint(
                name="provider_key_is_a_key",
                condition=Q(provider_key__regex=KEY_PATTERN),
                violation_error_message="3 to 64 of a-z, 0-9 and _, beginning with a letter.",
            ),
            models.CheckConstraint(
                name="provider_base_url_is_a_web_address",
                condition=Q(base_url="") | Q(base_url__regex="^https?://[^/]"),
                violation_error_message=base_urls.NO_ADDRESS,
            ),
            models.CheckConstraint(
                name="provider_category_is_known", condition=Q(category__in=sorted(Category.values))
            ),
            models.CheckConstraint(name="provider_status_is_known", condition=Q(status__in=Status.values)),
        ]

    def __str__(self) -> str:
        return self.display_name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        tenant_version.changed(using=self._state.db)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """What the admin's forms are refused for beyond the fields' own rules."""
        super().clean_fields(exclude)
        faults = {}
        if self.status == Status.ACTIVE and self.adapter is None:
            faults["status"] = "This provider has no adapter yet, so it can only be planned."
        if self.base_url and (fault := base_urls.fault(self.base_url)):
            faults["base_url"] = fault
        if named := {name: fault for name, fault in faults.items() if name not in (exclude or ())}:
            raise ValidationError(named)

    @property
    def adapter(self) -> type[Adapter] | None:
        """The class that speaks to this provider; None while the row is only planned."""
        return registry.find(self.provider_key)

    @property
    def intents(self) -> list[str]:
        """What this provider can be asked to do, sorted; empty without an adapter."""
        return sorted(self.adapter.intents) if self.adapter else []

    @property
    def needs_credential(self) -> bool:
        """Whether a tenant binds a secret before using it."""
        return self.adapter is not None and self.adapter.credential_schema is not None

    @property
    def needs_connection(self) -> str | None:
        """The OAuth provider of whose accounts a tenant connects one before using it; None where it needs none."""
        return (self.adapter.connection_provider or None) if self.adapter else None


class ProviderChange(models.Model):
    """What one change made of a provider's row: the members that it changed, as they were and as they became.

    `before` is empty where the row was added.
    """

    class Via(models.TextChoices):
        ADMIN = "admin"
        API = "api", "API"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="changes")
    made_at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=255, help_text="The operator's name, or the `sub` of the token.")
    via = models.CharField(max_length=5, choices=Via)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    undoes = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{', '.join(self.after)} of {self.provider_id}"

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """The name of each member that changed, what it was and what it became, as they are shown."""
        # PostgreSQL keeps a JSON object's members in an order of its own.
        named = ((field.name, str(field.verbose_name)) for field in Provider._meta.fields if field.name in self.after)
        return [(words, _shown(self.before.get(name)), _shown(self.after[name])) for name, words in named]


def _shown(value: Any) -> str:
    return "-" if value in (None, "") else str(value)
