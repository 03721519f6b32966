"""A client of the Graph server, and the error that a call has to end in."""

from collections.abc import Callable
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from providers.errors import ProviderError
from providers.meta_graph import Account, MetaGraph, Sent
from tests.meta.graph_server import APP_SECRET, GraphServer

TEXT = {"to": "+14155552671", "type": "text", "text": {"body": "Hello"}}


def graph_of(meta: GraphServer, **over: Any) -> MetaGraph:
    """`over` are members of the account."""
    known = {"phone_number_id": meta.phone_number_id, "waba_id": meta.waba_id, "access_token": meta.token}
    account = Account(**{"app_secrets": (APP_SECRET,), **known, **over})
    return MetaGraph(account, base_url=meta.base_url, media_hosts=(meta.media_netloc,))


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(seconds)


def send(meta: GraphServer, message: dict[str, Any] | None = None, **over: Any) -> Sent:
    return graph_of(meta, **over).send(message or TEXT, soon())


def failing(call: Callable[[], Any]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        call()
    return caught.value
