"""An order names the account that acts, and beside it providers; and what an execution waits for, before it acts."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from integrationhub.core.ids import new_id
from integrationhub.execution import order
from oauth import refreshing, table
from tests.execution.connecting import change, connect, ended, install, mail, row
from tests.make import Api
from tests.oauth import flows
from tests.oauth.standing_in import StandIn, overlay, running
from tests.providers.mailboxes import GmailServer, GraphServer

RENEWED = "ya29.a0-the-token-that-came-after-it"
GMAIL, GRAPH = "gmail_email", "microsoft_email"


@pytest.fixture
def gmail(api: Api, tenant: UUID) -> Iterator[GmailServer]:
    """Installed first, with an account of its own."""
    with GmailServer() as server:
        install(api, server, priority=1, connection_id=connect(tenant, "google"))
        yield server
        assert server.faults == []


@pytest.fixture
def graph(api: Api, tenant: UUID) -> Iterator[GraphServer]:
    """Installed second, with an account of its own."""
    with GraphServer() as server:
        install(api, server, priority=2, connection_id=connect(tenant, "microsoft"))
        yield server
        assert server.faults == []


@pytest.fixture
def stand_in(settings: Any, tmp_path: Path) -> Iterator[StandIn]:
    """Where tokens are refreshed."""
    with running() as server:
        path = tmp_path / "providers.yaml"
        path.write_text(overlay(server.url))
        settings.OAUTH_PROVIDERS_FILE = str(path)
        table.providers.cache_clear()
        yield server
    table.providers.cache_clear()


def test_a_named_account_sends_and_no_other_one_does(
    api: Api, tenant: UUID, gmail: GmailServer, graph: GraphServer
) -> None:
    """Neither that of another provider's installation, first or second."""
    for provider, key in (("google", GMAIL), ("microsoft", GRAPH)):
        body = api.post("/execute", mail(connection_id=connect(tenant, provider))).json()
        assert (body["provider_key"], [each["provider_key"] for each in body["attempts"]]) == (key, [key])
        assert [each["reason"] for each in body["skipped"]] == ["connection_of_other_provider"]
    assert (gmail.hits, graph.hits) == (1, 1)


def test_a_named_provider_sends_by_the_named_account(
    api: Api, tenant: UUID, gmail: GmailServer, graph: GraphServer
) -> None:
    account = connect(tenant, "microsoft")
    body = api.post("/execute", mail(connection_id=account, providers=[GRAPH])).json()
    assert (body["provider_key"], gmail.hits, graph.hits) == (GRAPH, 0, 1)


@pytest.mark.parametrize("providers", [[GRAPH], [GMAIL, GRAPH], [GRAPH, GMAIL]])
def test_a_named_provider_of_which_the_account_is_not_is_the_callers_mistake(
    api: Api, tenant: UUID, gmail: GmailServer, graph: GraphServer, providers: list[str]
) -> None:
    account = connect(tenant, "google")
    answer = api.post("/execute", mail(connection_id=account, providers=providers))
    assert (answer.status_code, answer.json()["code"]) == (404, "ERR_CONNECTION_NOT_FOUND"), answer.json()
    assert answer.json()["details"]["providerKey"] == GRAPH
    assert answer.json()["details"]["reason"] == "connection_of_other_provider"
    assert (gmail.hits, graph.hits) == (0, 0)


def test_an_account_waits_for_a_dead_holder_within_one_attempt() -> None:
    assert refreshing.LEASE_SECONDS + 1 + refreshing.CALL_SECONDS <= order.ATTEMPT_SECONDS
    assert refreshing.CALL_SECONDS + refreshing.MARGIN_SECONDS <= refreshing.LEASE_SECONDS


@pytest.mark.slow
def test_a_worker_that_died_in_its_refresh_delays_the_message_by_its_lease(
    api: Api,
    tenant: UUID,
    gmail: GmailServer,
    graph: GraphServer,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flows.bind(api)
    flows.google(stand_in, {"access_token": RENEWED, "expires_in": 3600, "token_type": "Bearer"})
    account = connect(tenant)
    change(tenant, account, expires_at=ended())
    gmail.credentials = {"access_token": RENEWED}
    with monkeypatch.context() as short:
        short.setattr(refreshing, "LEASE_SECONDS", 1.0)
        assert refreshing._claimed(row(account), new_id())
    begun = time.monotonic()
    body = api.post("/execute", mail(connection_id=account, providers=[GMAIL])).json()
    assert (body["status"], len(body["attempts"])) == ("succeeded", 1)
    assert time.monotonic() - begun < refreshing.LEASE_SECONDS, "not by a lease of its own"
