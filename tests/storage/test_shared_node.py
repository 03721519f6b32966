"""What a tenant without a node of its own may have the deployment's do."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from providers import cids
from providers.unixfs import added
from tests.make import Api
from tests.providers.answering import AnsweringServer
from tests.storage.asking import install


@pytest.fixture
def servers() -> Iterator[tuple[AnsweringServer, AnsweringServer]]:
    """A node, and something else in the deployment's network."""
    node, inside = AnsweringServer(), AnsweringServer()
    node.start()
    inside.start()
    yield node, inside
    node.stop()
    inside.stop()


def test_content_is_never_fetched_from_within_the_deployments_network(
    api: Api, servers: tuple[AnsweringServer, AnsweringServer], settings: Any
) -> None:
    node, inside = servers
    settings.IPFS_API_URL, settings.OUTBOUND_ALLOWED_NETWORKS = node.base_url, []
    install(api, "kubo_ipfs")
    payload = {"url": f"{inside.base_url}/latest/meta-data"}
    answer = api.post("/execute", {"category": "storage", "intent": "storage.add.ipfs", "payload": payload})
    assert (inside.asked, node.asked) == ([], [])
    assert answer.status_code == 503
    assert [error["reason"] for error in answer.json()["details"]["errors"]] == ["content_unavailable"]


def test_content_of_an_address_that_may_be_dialled_is_added(
    api: Api, servers: tuple[AnsweringServer, AnsweringServer], settings: Any
) -> None:
    node, outside = servers
    settings.IPFS_API_URL = node.base_url
    outside.answer(200, b"hello")
    cid = added(BytesIO(b"hello"))
    node.answer(200, {"Hash": str(cid), "Pins": [str(cid)]})
    install(api, "kubo_ipfs")
    payload = {"url": f"{outside.base_url}/a", "name": "a.txt"}
    answer = api.post("/execute", {"category": "storage", "intent": "storage.add.ipfs", "payload": payload})
    assert answer.status_code == 200, answer.content
    assert cids.parse(answer.json()["result"]["cid"]) == cid
    assert [asked.path.partition("?")[0] for asked in node.asked] == ["/api/v0/add", "/api/v0/pin/add"]
    assert b"hello" in node.asked[0].body
    assert b'filename="a.txt"' in node.asked[0].body
