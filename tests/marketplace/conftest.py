from collections.abc import Iterator

import pytest
from pytest_django import Settings

from marketplace import seeding as marketplace_seeding
from providers import registry, seeding


@pytest.fixture(autouse=True)
def shelf(settings: Settings) -> Iterator[None]:
    """The marketplace of this installation, with the providers of `tests.credentials.adapters` on it."""
    usual = settings.ADAPTER_MODULES
    settings.ADAPTER_MODULES = [*usual, "tests.credentials.adapters"]
    registry.load()
    seeding.seed()
    marketplace_seeding.seed()
    yield
    settings.ADAPTER_MODULES = usual
    registry.load()
