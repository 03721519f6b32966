from collections.abc import Iterator

import pytest

import marketplace.seeding
from integrationhub.audit import refusals
from tests.credentials.conftest import providers as providers


@pytest.fixture(autouse=True)
def on_the_shelf(providers: None) -> None:
    marketplace.seeding.seed()


@pytest.fixture(autouse=True)
def nothing_is_left_out() -> Iterator[None]:
    """The minute in which refusals of one kind are left out begins anew."""
    refusals.windows.forget()
    yield
    refusals.windows.forget()
