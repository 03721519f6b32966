"""What goes wrong between two steps: races, hurry, hostile answers, a client or a database that is gone."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from django.test import Client

from credentials.errors import VaultUnreadable
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from oauth import keeping, refreshing, upkeep
from oauth.models import Connection
from tests.audit.reading import at_once
from tests.make import Api
from tests.oauth.flows import ANA, GRANT, TOKEN, USERINFO, bind, connect, connected, google, started
from tests.oauth.standing_in import StandIn
from tests.oauth.test_connect_pages import choose, link
from tests.oauth.test_refreshing import AGAIN, change, events, expire, row, usable

NO_REFRESH = {name: value for name, value in GRANT.items() if name != "refresh_token"}
REVOKE = "POST oauth2.googleapis.com/revoke"


@pytest.fixture
def ready(api: Api, stand_in: StandIn) -> Api:
    bind(api, return_origins=["https://app.example"])
    google(stand_in)
    return api


def test_a_forced_refresh_does_not_end_a_connection_that_has_no_refresh_token(ready: Api, stand_in: StandIn) -> None:
    google(stand_in, {"access_token": "access-1"})
    made = connected(ready)
    ready.post(f"/connections/{made['id']}/refresh")
    assert row().status == "active"


def test_a_new_grant_is_not_ended_by_the_end_of_the_old_one(ready: Api, stand_in: StandIn) -> None:
    google(stand_in, NO_REFRESH)
    connected(ready)
    google(stand_in)
    made = connected(ready)
    assert made["refreshable"] is True
    upkeep.tell_of_ends(datetime.now(UTC) + timedelta(hours=2))
    assert row().status == "active"


def test_a_link_mends_a_connection_with_the_scopes_it_needs(ready: Api, stand_in: StandIn) -> None:
    start = started(ready, query="?scopes=openid%20https://www.googleapis.com/auth/gmail.send")
    made = connect(ready, state=start["state"]).json()
    asked = choose(link(ready, connection_id=made["id"]))
    assert "gmail.send" in asked["scope"]


def test_tokens_of_who_knows_whom_mend_nothing(ready: Api, stand_in: StandIn) -> None:
    made = connected(ready)
    start = ready.post(f"/connections/{made['id']}/reconnect").json()
    google(stand_in, {**GRANT, "access_token": "of-somebody-else"})
    stand_in.answer(USERINFO, {"error": "down"}, 503)
    connect(ready, state=start["state"])
    assert usable(row()) == "access-1"


def test_mending_one_without_account_as_one_that_is_there(ready: Api, stand_in: StandIn) -> None:
    stand_in.answer(USERINFO, {"error": "down"}, 503)
    nameless = connected(ready)
    google(stand_in)
    connected(ready)
    start = ready.post(f"/connections/{nameless['id']}/reconnect").json()
    answer = connect(ready, state=start["state"])
    assert answer.status_code < 500, answer.content


def test_a_profile_read_later_names_the_account(ready: Api, stand_in: StandIn) -> None:
    stand_in.answer(USERINFO, {"error": "down"}, 503)
    nameless = connected(ready)
    google(stand_in)
    ready.post("/oauth/google/profile", {"connection_id": nameless["id"]})
    assert ready.get(f"/connections/{nameless['id']}").json()["account_id"] == "ana-1"


def test_tokens_that_came_while_it_was_given_up_are_revoked(ready: Api, stand_in: StandIn) -> None:
    made = connected(ready)
    google(stand_in, AGAIN)
    stand_in.answer(REVOKE, {})
    stand_in.asked.clear()
    expire()

    def give_up() -> None:
        stand_in.meanwhile = lambda: None
        assert ready.delete(f"/connections/{made['id']}").status_code == 204

    stand_in.meanwhile = give_up
    with pytest.raises(HubError, match="no connection"):
        usable(row())
    attend()
    revoked = [asked.form["token"] for asked in stand_in.asked if "revoke" in asked.path]
    assert "refresh-2" in revoked, revoked


def attend() -> None:
    now = row()
    upkeep.attend_to(tenant_id=now.tenant_id, connection_id=now.id, token_version=now.token_version)


def test_a_failed_refresh_does_not_wake_up_what_was_given_up(ready: Api, stand_in: StandIn) -> None:
    made = connected(ready)
    stand_in.answer(TOKEN, {"error": "x"}, 503)
    stand_in.answer(REVOKE, {})
    expire()

    def give_up() -> None:
        stand_in.meanwhile = lambda: None
        assert ready.delete(f"/connections/{made['id']}").status_code == 204

    stand_in.meanwhile = give_up
    with pytest.raises(HubError):
        usable(row())
    assert row().refresh_at is None


@pytest.mark.parametrize(
    "grant",
    [
        {**GRANT, "scope": "a\x00b"},
        {**GRANT, "scope": "a\ud800b"},
        {**GRANT, "scope": ["\ud800"]},
        {**GRANT, "user_id": "x" * 300},
        {**GRANT, "user_id": "x\x00"},
        {**GRANT, "user_id": "x\ud800"},
    ],
)
def test_a_hostile_grant_is_no_crash(ready: Api, stand_in: StandIn, grant: Any) -> None:
    google(stand_in, grant)
    stand_in.answer(USERINFO, {"error": "down"}, 503)
    answer = connect(ready)
    assert answer.status_code < 500


def test_a_provider_whose_client_is_gone_leaves_the_others_on_the_page(ready: Api, stand_in: StandIn) -> None:
    bind(ready, "github")
    path = link(ready)
    gone = next(row for row in ready.get("/credentials").json()["data"] if row["provider_key"] == "github")
    ready.delete(f"/credentials/{gone['id']}")
    page = Client().get(path, headers={"Accept": "text/html"})
    assert page.status_code == 200, page.content.decode()[-900:]


def test_a_client_that_is_gone_is_told_on_the_connection(ready: Api, stand_in: StandIn) -> None:
    connected(ready)
    gone = ready.get("/credentials").json()["data"][0]
    ready.delete(f"/credentials/{gone['id']}")
    expire()
    now = row()
    upkeep.attend_to(tenant_id=now.tenant_id, connection_id=now.id, token_version=now.token_version)
    assert row().last_error is not None


def test_giving_up_without_a_client_is_a_failed_revocation(ready: Api, stand_in: StandIn) -> None:
    made = connected(ready)
    gone = ready.get("/credentials").json()["data"][0]
    ready.delete(f"/credentials/{gone['id']}")
    answer = ready.delete(f"/connections/{made['id']}")
    assert answer.json()["code"] == "ERR_OAUTH_REVOCATION_FAILED", answer.json()


def test_a_token_that_still_lives_serves_while_somebody_else_is_slow(ready: Api, stand_in: StandIn) -> None:
    connected(ready)
    expire(seconds=200)
    change(lease_id=uuid4(), lease_until=datetime.now(UTC) + timedelta(seconds=9))
    assert usable(row(), seconds=0.5) == "access-1"


def test_a_token_that_still_lives_serves_without_a_client(ready: Api, stand_in: StandIn) -> None:
    connected(ready)
    gone = ready.get("/credentials").json()["data"][0]
    ready.delete(f"/credentials/{gone['id']}")
    expire(seconds=200)
    assert usable(row()) == "access-1"


def test_tokens_are_not_lost_to_a_moment_without_the_database(
    ready: Api, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(ready)
    google(stand_in, AGAIN)
    expire()
    once = iter([True])
    real = keeping.take

    def take(*arguments: Any) -> None:
        if next(once, False):
            raise OperationalError("gone for a moment")
        real(*arguments)

    monkeypatch.setattr(refreshing.keeping, "take", take)
    with suppress(OperationalError):
        usable(row())
    stand_in.asked.clear()
    with suppress(HubError):
        usable(row())
    assert [asked.form["refresh_token"] for asked in stand_in.asked if "token" in asked.path] != ["refresh-1"]


def test_recovered_is_told_only_after_broken(ready: Api, stand_in: StandIn, tenant: UUID) -> None:
    made = connected(ready)
    stand_in.answer(TOKEN, {"error": "server_error"}, 503)
    ready.post(f"/connections/{made['id']}/refresh")
    google(stand_in, AGAIN)
    ready.post(f"/connections/{made['id']}/refresh")
    told = events(tenant)
    assert told.count("connection.recovered") <= told.count("connection.broken")


def test_one_in_a_slow_refresh_that_was_called_broken_recovers(ready: Api, stand_in: StandIn, tenant: UUID) -> None:
    connected(ready)
    google(stand_in, AGAIN)
    expire()

    def broken() -> None:
        stand_in.meanwhile = lambda: None
        refreshing.give_up(row(), "grant_over")

    stand_in.meanwhile = broken
    assert usable(row()) == "access-2"
    assert events(tenant)[-1] == "connection.recovered"


def test_a_caller_in_a_hurry_does_not_throw_the_next_tokens_away(ready: Api, stand_in: StandIn) -> None:
    """A refresh token that serves once is spent by a call that is cut off at the caller's deadline."""
    connected(ready)
    google(stand_in, AGAIN)
    expire(seconds=200)
    spent: set[str] = set()

    def slow_and_rotating() -> None:
        token = stand_in.asked[-1].form["refresh_token"]
        if token in spent:
            stand_in.answer(TOKEN, {"error": "invalid_grant"}, 400)
        spent.add(token)
        time.sleep(0.8)

    stand_in.meanwhile = slow_and_rotating
    with suppress(HubError):
        usable(row(), seconds=0.5)
    time.sleep(1)
    change(updated_at=datetime.now(UTC) - timedelta(minutes=5))
    usable(row(), seconds=10)
    assert row().status == "active"


def test_flows_at_once_for_one_account_make_one_connection(ready: Api, stand_in: StandIn) -> None:
    states = [started(ready)["state"] for _ in range(6)]
    answers = at_once(lambda number: connect(ready, state=states[number]), 6)
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_flow_that_a_refresh_overtakes_keeps_the_newest_refresh_token(ready: Api, stand_in: StandIn) -> None:
    """The same person comes again and gets none, while a worker spends the one that was kept."""
    connected(ready)
    state = started(ready)["state"]

    def refresh() -> None:
        stand_in.meanwhile = lambda: None
        google(stand_in, AGAIN)
        now = row()
        about = {"tenant_id": now.tenant_id, "connection_id": now.id, "is_forced": True}
        refreshing.refreshed(**about, deadline=Deadline.after(9))  # type: ignore[arg-type]
        google(stand_in, NO_REFRESH)

    stand_in.meanwhile = refresh
    assert connect(ready, state=state).status_code == 200
    assert keeping.opened(row()).refresh_token == "refresh-2"


def test_what_a_refresh_brought_never_overwrites_what_came_after(ready: Api, stand_in: StandIn) -> None:
    connected(ready)
    expire()

    def another_connects() -> None:
        stand_in.meanwhile = lambda: None
        google(stand_in, {**GRANT, "access_token": "access-3", "refresh_token": "refresh-3"})
        connect(ready)
        google(stand_in, AGAIN)

    stand_in.meanwhile = another_connects
    assert usable(row()) == "access-3"
    assert keeping.opened(row()).refresh_token == "refresh-3"


def test_a_seal_opens_in_its_own_row_alone(ready: Api, stand_in: StandIn) -> None:
    connected(ready)
    first = row()
    google(stand_in, person={**ANA, "sub": "bob-1"})
    made = connected(ready)
    second = Connection.objects.using("system").filter(id=made["id"])
    second.update(sealed=bytes(first.sealed))
    with pytest.raises(VaultUnreadable):
        keeping.opened(second.get())
