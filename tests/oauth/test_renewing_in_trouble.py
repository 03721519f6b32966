"""Refreshes that fail, come late or cannot be: who may write what, when it is tried again, and when it is not."""

import json
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from credentials.vault import vault
from oauth import keeping, refreshing, upkeep
from oauth.errors import OAuthRefreshFailed
from oauth.models import Connection
from tests.make import Api
from tests.oauth.conftest import LayOver
from tests.oauth.flows import TOKEN, USERINFO, bind, connected, google
from tests.oauth.standing_in import StandIn, overlay
from tests.oauth.test_giving_up import REVOKE
from tests.oauth.test_refreshing import AGAIN, calls, change, expire, row, usable

AWAY = {"error": "server_error"}


@pytest.fixture
def connection(api: Api, stand_in: StandIn) -> Connection:
    """Of Google, which from now on gives the second set of tokens."""
    bind(api)
    google(stand_in)
    connected(api)
    google(stand_in, AGAIN)
    stand_in.asked.clear()
    return row()


def next_try() -> float:
    """In so many seconds."""
    due = row().refresh_at
    assert due is not None
    return (due - datetime.now(UTC)).total_seconds()


def test_it_is_tried_again_after_a_longer_while_each_time(api: Api, connection: Connection, stand_in: StandIn) -> None:
    stand_in.answer(TOKEN, AWAY, 503)
    pauses = []
    for _ in range(6):
        api.post(f"/connections/{connection.id}/refresh")
        pauses.append(next_try())
    about = (30, 120, 600, 1800, 3600, 3600)
    assert all(0.7 * usual < pause < 1.3 * usual for pause, usual in zip(pauses, about, strict=True)), pauses


def test_a_provider_that_names_its_time_is_left_alone_till_then(connection: Connection, stand_in: StandIn) -> None:
    expire()
    stand_in.answer(TOKEN, {}, 429, Retry_After="250")
    with pytest.raises(OAuthRefreshFailed):
        usable(connection)
    assert next_try() > 240
    change(failed_at=datetime.now(UTC) - timedelta(seconds=200))
    with pytest.raises(OAuthRefreshFailed):
        usable(connection)
    assert calls(stand_in) == 1
    change(failed_at=datetime.now(UTC) - timedelta(seconds=251))
    google(stand_in, AGAIN)
    assert usable(connection) == "access-2"


def test_who_fails_after_its_lease_writes_nothing(api: Api, connection: Connection, stand_in: StandIn) -> None:
    """Another holds the lease by then, and is asking."""
    other, until = uuid4(), datetime.now(UTC) + timedelta(seconds=60)
    stand_in.answer(TOKEN, AWAY, 503)
    stand_in.meanwhile = lambda: change(lease_id=other, lease_until=until)
    assert api.post(f"/connections/{connection.id}/refresh").json()["code"] == "ERR_OAUTH_REFRESH_FAILED"
    now = row()
    assert (now.lease_id, now.lease_until, now.failures, now.last_error) == (other, until, 0, None)


def test_who_fails_after_the_grants_end_writes_nothing(api: Api, connection: Connection, stand_in: StandIn) -> None:
    stand_in.answer(TOKEN, AWAY, 503)
    stand_in.meanwhile = lambda: refreshing.give_up(row(), "expired")
    assert api.post(f"/connections/{connection.id}/refresh").json()["code"] == "ERR_OAUTH_REFRESH_FAILED"
    now = row()
    assert (now.status, now.reason, now.failures, now.refresh_at) == ("needs_reauth", "expired", 0, None)


def test_a_failure_of_ours_leaves_no_lease_behind(api: Api, connection: Connection) -> None:
    change(sealed=vault().seal(b"no JSON", keeping._place(connection)))
    assert api.post(f"/connections/{connection.id}/refresh").status_code == 500
    assert (row().lease_id, row().lease_until) == (None, None)


def test_tokens_that_came_after_the_end_are_due_to_be_revoked(
    api: Api, connection: Connection, stand_in: StandIn
) -> None:
    stand_in.answer(REVOKE, {})
    expire()

    def give_up() -> None:
        stand_in.meanwhile = lambda: None
        assert api.delete(f"/connections/{connection.id}").status_code == 204

    stand_in.meanwhile = give_up
    with pytest.raises(Exception, match="no connection"):
        usable(connection)
    now = row()
    assert (now.status, now.reason, upkeep.ask_for_what_is_due()) == ("revoked", "given_up", 1)


def test_a_revocation_wipes_no_tokens_that_came_since(api: Api, connection: Connection, stand_in: StandIn) -> None:
    stand_in.answer(REVOKE, {})
    stand_in.meanwhile = lambda: change(token_version=2)
    assert api.delete(f"/connections/{connection.id}").status_code == 204
    assert bytes(row().sealed) != b""


def test_what_was_known_of_a_person_goes_with_the_grant(api: Api, connection: Connection, stand_in: StandIn) -> None:
    stand_in.answer(REVOKE, {})
    api.delete(f"/connections/{connection.id}")
    assert (row().profile, row().last_error) == (None, None)


def test_a_token_that_was_refused_is_renewed_for_the_next_profile(
    api: Api, connection: Connection, stand_in: StandIn
) -> None:
    stand_in.answer(USERINFO, {"error": "invalid_token"}, 401)
    asked = {"connection_id": str(connection.id)}
    refused = api.post("/oauth/google/profile", asked)
    assert (refused.status_code, refused.json()["details"]["reason"]) == (400, "token_refused")
    google(stand_in, AGAIN)
    assert api.post("/oauth/google/profile", asked).status_code == 200
    assert stand_in.asked[-1].headers["authorization"] == "Bearer access-2"


def test_a_refusal_of_the_token_before_says_nothing_of_the_one_that_came(connection: Connection) -> None:
    refreshing.refused(tenant_id=connection.tenant_id, connection_id=connection.id, token_version=0)
    assert row().expires_at == connection.expires_at


@pytest.mark.parametrize("over", ["revoked", "needs_reauth"])
def test_what_has_ended_since_it_was_read_is_not_claimed(connection: Connection, over: str) -> None:
    change(status=over)
    assert refreshing._claimed(connection, uuid4()) is False
    change(status="active")
    assert refreshing._claimed(connection, uuid4()) is True


def test_who_is_in_a_hurry_leaves_the_refresh_to_a_worker(connection: Connection) -> None:
    expire()
    with pytest.raises(OAuthRefreshFailed) as caught:
        usable(connection, seconds=0.5)
    assert caught.value.reason == "refresh_in_progress"
    assert upkeep.ask_for_what_is_due() == 1


def test_a_second_call_has_a_lease_of_its_own(
    connection: Connection, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks while it lasts finds it held, and waits."""
    monkeypatch.setattr(refreshing, "CALL_SECONDS", 1.5)
    expire()
    seen, is_over = [], threading.Event()

    def silent_once() -> None:
        seen.append(row().lease_until)
        if len(seen) == 1:
            is_over.wait(30)

    stand_in.meanwhile = silent_once
    assert usable(connection) == "access-2"
    is_over.set()
    assert len(seen) == 2
    assert seen[1] - seen[0] > timedelta(seconds=1.4)


def test_a_token_is_not_sent_twice_by_who_has_lost_its_lease(
    connection: Connection, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "CALL_SECONDS", 1.5)
    expire()
    is_over = threading.Event()

    def overtaken() -> None:
        change(lease_id=uuid4(), lease_until=datetime.now(UTC) + timedelta(seconds=60))
        is_over.wait(30)

    stand_in.meanwhile = overtaken
    with pytest.raises(OAuthRefreshFailed):
        usable(connection)
    is_over.set()
    assert calls(stand_in) == 1


class TestATableThatSaysNo:
    """The deployment's file takes the refresh from a provider whose connections came with refresh tokens."""

    @pytest.fixture(autouse=True)
    def changed(self, connection: Connection, stand_in: StandIn, lay_over: LayOver) -> None:
        rows = json.loads(overlay(stand_in.url))
        rows["google"]["refresh"] = None
        lay_over(json.dumps(rows))

    def attended(self) -> None:
        """What the schedule and a worker do."""
        change(refresh_at=datetime.now(UTC) - timedelta(seconds=1))
        assert upkeep.ask_for_what_is_due() == 1
        now = row()
        upkeep.attend_to(tenant_id=now.tenant_id, connection_id=now.id, token_version=now.token_version)

    def test_no_worker_asks_for_it_again(self, stand_in: StandIn) -> None:
        self.attended()
        now = row()
        assert (now.refresh_at, now.status, now.failures, stand_in.asked) == (None, "active", 0, [])

    def test_what_ends_soon_is_used_to_its_end_and_then_it_is_said(
        self, api: Api, connection: Connection, stand_in: StandIn
    ) -> None:
        expire(seconds=60)
        assert usable(connection) == "access-1"
        expire()
        with pytest.raises(OAuthRefreshFailed) as caught:
            usable(connection)
        assert (caught.value.reason, caught.value.needs_reauth, stand_in.asked) == ("expired", True, [])
        assert row().refresh_at is None or row().failures == 0

    def test_it_is_shown_and_refused_before_anything_else(self, api: Api, connection: Connection) -> None:
        assert api.get(f"/connections/{connection.id}").json()["refreshable"] is False
        answer = api.post(f"/connections/{connection.id}/refresh")
        assert answer.json()["code"] == "ERR_OAUTH_REFRESH_NOT_SUPPORTED"

    def test_it_goes_on_when_the_table_says_yes_again(
        self, connection: Connection, stand_in: StandIn, lay_over: LayOver
    ) -> None:
        self.attended()
        lay_over(overlay(stand_in.url))
        expire()
        assert usable(connection) == "access-2"
        assert next_try() > 0
