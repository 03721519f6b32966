"""Looking providers up as tenants see them."""

from django.db.models import Q

from integrationhub.core.errors import InvalidRequest
from providers import registry
from providers.errors import ProviderNotFound
from providers.intents import INTENTS
from providers.models import Category, Provider, ProviderQuerySet, Status


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
    """Providers in the operators' order. Raises InvalidRequest naming every filter whose value does not exist."""
    known = {
        "category": (category, Category.values),
        "status": (status, Status.values),
        "intent": (intent, list(INTENTS)),
    }
    faults = [
        {"field": name, "reason": "not_allowed", "expected": f"one of {', '.join(values)}"}
        for name, (given, values) in known.items()
        if given is not None and given not in values
    ]
    if faults:
        raise InvalidRequest("A filter has a value that does not exist.", reason="invalid_fields", fields=faults)
    wanted = Q()
    if category:
        wanted &= Q(category=category)
    if status:
        wanted &= Q(status=status)
    if intent:
        wanted &= Q(provider_key__in=registry.keys_for(intent))
    return Provider.objects.visible().filter(wanted)
