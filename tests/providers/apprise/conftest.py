import pytest

from tests.providers.apprise.warming import warm


@pytest.fixture(autouse=True)
def warmed(database: None) -> None:
    warm()
