from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oauth import table
from oauth.protocol import key_sets
from tests.oauth.standing_in import StandIn, overlay

LayOver = Callable[[str], None]


@pytest.fixture
def lay_over(settings: Any, tmp_path: Path) -> Iterator[LayOver]:
    """Has a file of this text laid over the table."""

    def do(text: str) -> None:
        path = tmp_path / "providers.yaml"
        path.write_text(text)
        settings.OAUTH_PROVIDERS_FILE = str(path)
        table.providers.cache_clear()

    yield do
    table.providers.cache_clear()


@pytest.fixture
def stand_in(lay_over: LayOver) -> Iterator[StandIn]:
    """All eight providers, as one server that the table leads to."""
    server = StandIn()
    server.start()
    lay_over(overlay(server.url))
    key_sets.key_set.cache_clear()
    yield server
    server.stop()
