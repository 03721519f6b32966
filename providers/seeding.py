"""A row for every adapter, so that an installation begins with a catalogue."""

from collections import Counter

from integrationhub.core import tenant_version
from providers import registry
from providers.adapter import Adapter
from providers.intents import INTENTS
from providers.models import Category, Provider, Status


def seed() -> None:
    """Make the rows that are missing. What operators have changed or retired stays as they left it."""
    there = set(Provider.objects.values_list("provider_key", flat=True))
    missing = [
        Provider(
            provider_key=adapter.key,
            display_name=adapter.display_name,
            summary=adapter.summary,
            category=_category_of(adapter),
            status=Status.ACTIVE,
        )
        for adapter in registry.all()
        if adapter.key not in there
    ]
    if missing:
        # Another process may be at it too.
        Provider.objects.bulk_create(missing, ignore_conflicts=True)
        tenant_version.changed()


def _category_of(adapter: type[Adapter]) -> str:
    """The category of most of its intents; without any, it is there for the accounts that people connect."""
    if not adapter.intents:
        return Category.IDENTITY
    [(category, _)] = Counter(INTENTS[name].category for name in sorted(adapter.intents)).most_common(1)
    return category
