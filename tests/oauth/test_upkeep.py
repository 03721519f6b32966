"""Connections that nobody asks for are renewed ahead of their end, and grants that end are told of."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from integrationhub.outbox.models import OutboxMessage
from oauth import keeping, upkeep
from oauth.models import Connection, ConnectSession, Flow
from tests.audit.reading import at_once
from tests.make import Api
from tests.oauth.flows import GRANT, TOKEN, bind, connected, google, started
from tests.oauth.standing_in import StandIn
from tests.oauth.test_refreshing import change, events, row

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def connection(api: Api, stand_in: StandIn) -> Connection:
    bind(api)
    google(stand_in)
    connected(api)
    stand_in.asked.clear()
    return row()


def messages() -> list[OutboxMessage]:
    return list(OutboxMessage.objects.using("system").filter(task="oauth.tasks.attend_to_connection"))


def due() -> None:
    change(refresh_at=datetime.now(UTC) - timedelta(seconds=1))


def attend() -> None:
    [message] = messages()
    arguments = message.arguments
    upkeep.attend_to(
        tenant_id=UUID(arguments["tenant_id"]),
        connection_id=UUID(arguments["connection_id"]),
        token_version=arguments["token_version"],
    )


def test_what_is_not_due_is_let_be(connection: Connection) -> None:
    assert connection.refresh_at is not None
    assert connection.refresh_at > datetime.now(UTC) + timedelta(minutes=40)
    assert upkeep.ask_for_what_is_due() == 0


def test_what_is_due_is_asked_for_once_by_whoever_looks_first(connection: Connection) -> None:
    due()
    assert sum(at_once(lambda _: upkeep.ask_for_what_is_due(), 8)) == 1
    assert len(messages()) == 1


def test_a_message_holds_ids_alone(connection: Connection) -> None:
    due()
    upkeep.ask_for_what_is_due()
    [message] = messages()
    assert message.arguments == {
        "tenant_id": str(connection.tenant_id),
        "connection_id": str(connection.id),
        "token_version": 1,
    }


def test_a_worker_renews_it_ahead_of_its_end(connection: Connection, stand_in: StandIn) -> None:
    due()
    upkeep.ask_for_what_is_due()
    attend()
    assert row().token_version == 2
    assert stand_in.places == [TOKEN]


def test_a_message_that_comes_twice_renews_once(connection: Connection, stand_in: StandIn) -> None:
    due()
    upkeep.ask_for_what_is_due()
    attend()
    attend()
    assert stand_in.places == [TOKEN]


def test_a_failure_is_written_down_and_tried_again_later(connection: Connection, stand_in: StandIn) -> None:
    stand_in.answer(TOKEN, {"error": "server_error"}, 503)
    due()
    upkeep.ask_for_what_is_due()
    attend()
    now = row()
    assert (now.failures, now.status) == (1, "active")
    assert now.last_error["reason"] == "provider_unavailable"
    assert upkeep.ask_for_what_is_due() == 0


def test_a_connection_whose_client_is_gone_stops_no_other(api: Api, connection: Connection) -> None:
    [credential] = api.get("/credentials").json()["data"]
    assert api.delete(f"/credentials/{credential['id']}").status_code == 204
    due()
    upkeep.ask_for_what_is_due()
    attend()
    assert row().status == "active"


def test_refreshes_are_spread(connection: Connection) -> None:
    times = {keeping.refresh_time(NOW, 3600) for _ in range(50)}
    assert len(times) > 40
    assert all(NOW + timedelta(minutes=45) <= time <= NOW + timedelta(minutes=50) for time in times if time)


@pytest.mark.parametrize("life", [30, 60, 3600, 5184000])
def test_none_comes_after_the_end_or_at_once(life: int) -> None:
    for _ in range(50):
        time = keeping.refresh_time(NOW, life)
        assert time is not None
        assert NOW + timedelta(seconds=life) * 0.4 < time < NOW + timedelta(seconds=life)


class TestEnds:
    """Grants that only their owner can renew: told of three times ahead, once each, and when it is over."""

    @pytest.fixture(autouse=True)
    def ending(self, api: Api, stand_in: StandIn) -> None:
        bind(api)
        google(stand_in, {name: GRANT[name] for name in ("access_token", "scope")} | {"expires_in": 5184000})
        connected(api)
        change(grant_expires_at=NOW)

    @pytest.mark.parametrize(("days", "told"), [(8, 0), (7, 1), (3, 1), (0.5, 1)])
    def test_ahead(self, tenant: UUID, days: float, told: int) -> None:
        at = NOW - timedelta(days=days)
        assert sum(upkeep.tell_of_ends(at) for _ in range(3)) == told
        assert events(tenant, "connection.expiring") == ["connection.expiring"] * told

    def test_at_each_step_once(self, tenant: UUID) -> None:
        for hours in range(10 * 24, 0, -6):
            upkeep.tell_of_ends(NOW - timedelta(hours=hours))
        assert events(tenant, "connection.expiring") == ["connection.expiring"] * 3

    def test_the_end(self, api: Api, tenant: UUID) -> None:
        assert [upkeep.tell_of_ends(NOW + timedelta(seconds=1)) for _ in range(2)] == [1, 0]
        assert events(tenant, "connection.broken") == ["connection.broken"]
        [shown] = api.get("/connections?status=needs_reauth").json()["data"]
        assert shown["reason"] == "expired"


def test_old_flows_are_forgotten(api: Api, stand_in: StandIn) -> None:
    bind(api)
    started(api)
    assert api.post("/connect/sessions", {"providers": ["google"]}).status_code == 201
    upkeep.forget_old_flows()
    models = (Flow, ConnectSession)
    assert [model.objects.using("system").count() for model in models] == [1, 1]
    for model in models:
        model.objects.using("system").update(expires_at=datetime.now(UTC) - timedelta(days=2))
    upkeep.forget_old_flows()
    assert [model.objects.using("system").count() for model in models] == [0, 0]
