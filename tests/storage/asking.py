"""What tests of storage do beside the hub: ask a node itself, and install a provider."""

import json
from typing import Any

import urllib3

from tests.make import Api


class RPC:
    """A node, asked directly."""

    def __init__(self, url: str) -> None:
        self._url, self._http = url, urllib3.PoolManager()

    def ask(self, command: str, **request: Any) -> Any:
        return self._http.request("POST", f"{self._url}/api/v0/{command}", retries=False, **request)

    def add(self, content: bytes, chunker: str = "size-262144") -> str:
        """Its CID as the node spells it."""
        query = f"add?cid-version=1&raw-leaves=true&chunker={chunker}"
        answer = self.ask(query, fields={"file": ("file", content)})
        return str(json.loads(answer.data.splitlines()[-1])["Hash"])


def is_pinned(node: str, cid: str) -> bool:
    return bool(RPC(node).ask(f"pin/ls?arg={cid}&type=recursive").status == 200)


def install(api: Api, key: str, config: dict[str, Any] | None = None, **credentials: Any) -> None:
    """With a credential, unless there is nothing in it."""
    answer = api.post(f"/marketplace/integrations/{key}/install", {"config": config or {}})
    assert answer.status_code == 201, answer.content
    if credentials:
        bound = api.post("/credentials/bind", {"provider_key": key, "credentials": credentials, "verify": True})
        assert bound.status_code == 201, bound.content
