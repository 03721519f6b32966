from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oauth import table
from oauth.protocol import key_sets
from tests.credentials.conftest import bao, server
from tests.oauth import peer
from tests.oauth.peer import Peer
from tests.oauth.standing_in import StandIn, overlay, running

__all__ = ["bao", "server"]  # A vault of another host.
LayOver = Callable[[str], None]
# Registered at the OpenID provider, and compared with letter by letter.
REDIRECT_URIS = (
    "https://hub.example/oauth/callback/{key}",
    "http://127.0.0.1:8000/oauth/callback/{key}",
    "https://app.example.com/callback",
)


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
    with running() as all_eight:
        lay_over(overlay(all_eight.url))
        key_sets.key_set.cache_clear()
        yield all_eight


@pytest.fixture(scope="session")
def openid_server() -> Iterator[Peer]:
    """It takes a second or two to start: tests that want it are slow ones."""
    with peer.running(REDIRECT_URIS) as provider:
        yield provider


@pytest.fixture
def openid(openid_server: Peer, lay_over: LayOver) -> Peer:
    """All eight providers, as a certified OpenID provider that the table leads to."""
    lay_over(openid_server.overlay())
    key_sets.key_set.cache_clear()
    return openid_server
