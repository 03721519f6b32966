from collections.abc import Iterator
from typing import Any

import pytest

from tests.storage import node


@pytest.fixture(scope="session")
def ipfs_node() -> Iterator[str]:
    """One node for the session: what the tests put there differs from test to test."""
    with node.running() as url:
        yield url


@pytest.fixture
def shared_node(ipfs_node: str, settings: Any) -> str:
    """The deployment's node."""
    settings.IPFS_API_URL = ipfs_node
    return ipfs_node
