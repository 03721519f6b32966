"""One chat message through an adapter, to a server of the test's own."""

from dataclasses import replace
from typing import Any

import pytest

from providers import registry
from providers.adapter import Receipt
from providers.errors import ProviderError
from tests.providers.answering import AnsweringServer, call


class Chat:
    """An adapter with its secrets; the payload's members override those of a usual message."""

    def __init__(self, server: AnsweringServer, key: str, **secrets: str) -> None:
        self.server, self.adapter, self.secrets = server, registry.instance(key), secrets

    def send(self, config: Any = None, secrets: Any = None, base_url: str | None = None, **payload: Any) -> Receipt:
        asked = call("message.send.chat", {"channel": "#orders", "text": "Shipped", **payload})
        where = self.server.base_url if base_url is None else base_url
        return self.adapter.execute(
            replace(asked, base_url=where, config=config or {}, secrets=secrets or self.secrets)
        )

    def check(self) -> bool:
        return self.adapter.check(
            replace(call("message.send.chat", {}), base_url=self.server.base_url, secrets=self.secrets)
        )

    def failure(self, **given: Any) -> ProviderError:
        """The error of a message that fails, which tells none of the secrets."""
        with pytest.raises(ProviderError) as caught:
            self.send(**given)
        assert [value for value in self.secrets.values() if value in str(caught.value)] == []
        return caught.value
