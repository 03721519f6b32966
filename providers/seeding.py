"""A row for every adapter, so that an installation begins with a catalogue."""

from collections import Counter

from providers import registry
from providers.adapter import Adapter
from providers.intents import INTENTS
from providers.models import Category, Provider, Status


def seed() -> None:
    """Make the rows that are missing. What operators have changed or retired stays as they left it."""
    for adapter in registry.all():
        Provider.objects.get_or_create(
            provider_key=adapter.key,
            defaults={
                "display_name": adapter.display_name,
                "summary": adapter.summary,
                "category": _category_of(adapter),
                "status": Status.ACTIVE,
            },
        )


def _category_of(adapter: type[Adapter]) -> str:
    """The category of most of its intents; without any, it is there for the accounts that people connect."""
    if not adapter.intents:
        return Category.IDENTITY
    [(category, _)] = Counter(INTENTS[name].category for name in sorted(adapter.intents)).most_common(1)
    return category
