from collections.abc import Iterator

import pytest
from pytest_django import Settings

from providers import registry, seeding


@pytest.fixture(autouse=True)
def providers(settings: Settings) -> Iterator[None]:
    """The providers of this installation, and those of `tests.credentials.adapters`."""
    usual = settings.ADAPTER_MODULES
    settings.ADAPTER_MODULES = [*usual, "tests.credentials.adapters"]
    registry.load()
    seeding.seed()
    yield
    settings.ADAPTER_MODULES = usual
    registry.load()
