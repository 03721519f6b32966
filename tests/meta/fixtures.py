"""`meta`: a Graph server that the deployment's settings lead to. A conftest imports it from here."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.meta import graph_server
from tests.meta.graph_server import GraphServer


@pytest.fixture
def meta(settings: Any) -> Iterator[GraphServer]:
    """Tenants without a credential of their own send by its account."""
    with graph_server.running() as server:
        lead_to(server, settings)
        settings.META_WABA_ID = server.waba_id
        settings.META_WHATSAPP_ACCESS_TOKEN = server.token
        settings.META_WHATSAPP_PHONE_NUMBER_ID = server.phone_number_id
        settings.META_WEBHOOK_APP_SECRETS = [graph_server.APP_SECRET]
        settings.META_WEBHOOK_VERIFY_TOKEN = "a-verify-token"
        yield server


def lead_to(server: GraphServer, settings: Any) -> None:
    """The hub dials this server for Meta, with whatever account."""
    settings.META_GRAPH_BASE_URL = server.base_url
    settings.META_MEDIA_HOSTS = [server.media_netloc]
