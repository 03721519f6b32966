"""What an installation of the hub begins with. Operators' own rows and changes are never overwritten."""

from uuid import UUID

from integrationhub.core.tenancy import tenant_scope
from marketplace import quotas
from marketplace.models import Installation, Integration
from providers.models import Category, Provider

DEMO_CHAIN = (("sandbox_primary", 1), ("sandbox_secondary", 2))


def seed() -> None:
    """The tiers, and a shelf in the marketplace for each provider that has none and can do something."""
    quotas.add_missing_tiers()
    for provider in Provider.objects.filter(integrations=None).exclude(category=Category.IDENTITY):
        Integration.objects.get_or_create(
            slug=provider.provider_key,
            defaults={"provider": provider, "name": provider.display_name, "summary": provider.summary},
        )


def seed_demo(tenant_id: UUID) -> None:
    """A tenant to try things with: no quota, and two sandbox providers of which the first can be made to fail."""
    quotas.subscribe(tenant_id, "enterprise")
    with tenant_scope(tenant_id):
        for slug, priority in DEMO_CHAIN:
            Installation.objects.get_or_create(
                tenant_id=tenant_id,
                integration=Integration.objects.get(slug=slug),
                defaults={"priority": priority},
            )
