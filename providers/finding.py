"""Looking providers up as tenants see them."""

from django.db.models import Q

from providers import registry
from providers.errors import ProviderNotFound
from providers.models import Provider, ProviderQuerySet


def get(provider_key: str) -> Provider:
    """The provider of this key, case and all. Raises ProviderNotFound."""
    # PostgreSQL knows no NUL in text; no key holds one.
    provider = Provider.objects.visible().filter(provider_key=provider_key.replace("\0", "")).first()
    if provider is None or provider.provider_key != provider_key:
        raise _unknown(provider_key)
    return provider


def _unknown(provider_key: str) -> ProviderNotFound:
    asked = provider_key[:64]
    message = f"There is no provider {asked!r}. GET /providers lists them; keys are case-sensitive."
    if Provider.objects.visible().filter(provider_key=asked.lower()).exists():
        message = f"There is no provider {asked!r}; keys are case-sensitive. Did you mean {asked.lower()!r}?"
    return ProviderNotFound(message, provider_key=asked)


def listed(*, category: str | None = None, status: str | None = None, intent: str | None = None) -> ProviderQuerySet:
    """Providers in the operators' order, narrowed by what is not None."""
    wanted = Q()
    if category:
        wanted &= Q(category=category)
    if status:
        wanted &= Q(status=status)
    if intent:
        wanted &= Q(provider_key__in=registry.keys_for(intent))
    return Provider.objects.visible().filter(wanted)
