"""New tokens for a connection: one call of the provider, and no good connection ended by a race."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.core.deadline import Deadline
from integrationhub.outbox.models import Event
from oauth import refreshing
from oauth.errors import OAuthRefreshFailed
from oauth.models import Connection
from tests.audit.reading import at_once, trail_of
from tests.launcher.running import eventually
from tests.make import Api
from tests.oauth.flows import ANA, GRANT, TOKEN, USERINFO, bind, connect, connected, google
from tests.oauth.standing_in import StandIn

AGAIN = {**GRANT, "access_token": "access-2", "refresh_token": "refresh-2"}
OVER = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}


def row() -> Connection:
    return Connection.objects.using("system").get()


def change(**values: Any) -> None:
    Connection.objects.using("system").update(**values)


def expire(seconds: float = -1) -> None:
    now = datetime.now(UTC)
    change(expires_at=now + timedelta(seconds=seconds), refreshed_at=now - timedelta(hours=1))


def events(tenant: UUID, *kinds: str) -> list[str]:
    rows = Event.objects.using("system").filter(tenant_id=tenant, kind__startswith="connection.").order_by("id")
    return [kind for kind in rows.values_list("kind", flat=True) if not kinds or kind in kinds]


@pytest.fixture
def connection(api: Api, stand_in: StandIn) -> Connection:
    """Of Google, which from now on gives the second set of tokens."""
    bind(api)
    google(stand_in)
    connected(api)
    google(stand_in, AGAIN)
    stand_in.asked.clear()
    return row()


def usable(connection: Connection, seconds: float = 10) -> str:
    """The access token that a call would be made with."""
    about = {"tenant_id": connection.tenant_id, "connection_id": connection.id}
    _, tokens = refreshing.usable(**about, deadline=Deadline.after(seconds))  # type: ignore[arg-type]
    return tokens.access_token


def calls(stand_in: StandIn) -> int:
    return stand_in.places.count(TOKEN)


def test_a_token_that_lives_long_enough_is_used_as_it_is(connection: Connection, stand_in: StandIn) -> None:
    assert (usable(connection), calls(stand_in)) == ("access-1", 0)


def test_one_that_ends_soon_is_refreshed_before_it_is_used(connection: Connection, stand_in: StandIn) -> None:
    expire(seconds=60)
    assert usable(connection) == "access-2"
    assert stand_in.only.form == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
        "client_id": "client-1",
        "client_secret": "the-client-secret-of-a-test",
    }
    now = row()
    assert (now.token_version, now.status, now.lease_id) == (2, "active", None)
    assert now.expires_at is not None
    assert now.expires_at > datetime.now(UTC) + timedelta(minutes=59)


def test_a_token_of_a_minute_is_not_refreshed_at_every_use(api: Api, stand_in: StandIn) -> None:
    bind(api)
    google(stand_in, {**GRANT, "expires_in": 60})
    connected(api)
    stand_in.asked.clear()
    assert usable(row()) == "access-1"
    assert calls(stand_in) == 0


def test_fifty_workers_make_one_call(connection: Connection, stand_in: StandIn) -> None:
    expire()
    stand_in.meanwhile = lambda: time.sleep(0.3)
    assert set(at_once(lambda _: usable(connection), 50)) == {"access-2"}
    assert calls(stand_in) == 1
    assert row().token_version == 2


def test_a_dozen_who_insist_make_one_call_too(
    api: Api, connection: Connection, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes after it insists on another one: all have come before it ends."""
    waiting, wait = set[int](), refreshing._wait

    def seen_to_wait(*args: Any) -> None:
        waiting.add(threading.get_ident())
        wait(*args)

    monkeypatch.setattr(refreshing, "_wait", seen_to_wait)
    stand_in.meanwhile = lambda: eventually(lambda: len(waiting) == 11, seconds=30, what="all others wait") and None
    answers = at_once(lambda _: api.post(f"/connections/{connection.id}/refresh").status_code, 12)
    assert answers == [200] * 12
    assert calls(stand_in) == 1


def test_a_holder_that_died_delays_by_its_lease(connection: Connection, stand_in: StandIn) -> None:
    expire()
    over, asked = datetime.now(UTC) + timedelta(seconds=1.5), list[datetime]()
    change(lease_id=uuid4(), lease_until=over)
    stand_in.meanwhile = lambda: asked.append(datetime.now(UTC))
    assert usable(connection) == "access-2"
    assert calls(stand_in) == 1
    assert over < asked[0] < over + timedelta(seconds=refreshing.LEASE_SECONDS)


def test_who_cannot_wait_that_long_is_told_to_come_again(connection: Connection) -> None:
    expire()
    change(lease_id=uuid4(), lease_until=datetime.now(UTC) + timedelta(seconds=9))
    with pytest.raises(OAuthRefreshFailed) as caught:
        usable(connection, seconds=0.5)
    assert (caught.value.reason, caught.value.is_retryable) == ("refresh_in_progress", True)
    assert row().status == "active"


def test_a_token_that_somebody_else_has_spent_ends_nothing(connection: Connection, stand_in: StandIn) -> None:
    """A worker that outlived its lease: its call is refused, and the other one's tokens are as good for it."""
    expire()
    stand_in.answer(TOKEN, OVER, 400)

    def another_finishes() -> None:
        seen = row()
        google(stand_in, AGAIN)
        stand_in.meanwhile = lambda: None
        change(lease_id=None, lease_until=None)
        refreshing.refreshed(
            tenant_id=seen.tenant_id, connection_id=seen.id, deadline=Deadline.after(5), is_forced=True
        )
        stand_in.answer(TOKEN, OVER, 400)

    stand_in.meanwhile = another_finishes
    assert usable(connection) == "access-2"
    assert (row().status, row().token_version) == ("active", 2)


def test_what_a_slow_holder_was_given_is_kept_though_its_lease_has_passed(
    connection: Connection, stand_in: StandIn
) -> None:
    """Those are the grant's only tokens now."""
    expire()
    stand_in.meanwhile = lambda: change(lease_id=uuid4(), lease_until=datetime.now(UTC))
    assert usable(connection) == "access-2"


def test_a_grant_that_is_over_is_said_once_and_its_tokens_go(
    api: Api, connection: Connection, stand_in: StandIn, tenant: UUID
) -> None:
    expire()
    stand_in.answer(TOKEN, OVER, 400)
    for _ in range(3):
        with pytest.raises(OAuthRefreshFailed) as caught:
            usable(connection)
        assert caught.value.needs_reauth
    assert calls(stand_in) == 1
    shown = api.get(f"/connections/{connection.id}").json()
    assert (shown["status"], shown["reason"]) == ("needs_reauth", "grant_over")
    assert "expired or revoked" not in (shown["last_error"]["message"] or "")
    assert bytes(row().sealed) == b""
    assert events(tenant, "connection.broken") == ["connection.broken"]
    assert len(trail_of(tenant, "connection.broken")) == 1


def test_a_broken_connection_is_mended_under_its_id(
    api: Api, connection: Connection, stand_in: StandIn, tenant: UUID
) -> None:
    expire()
    stand_in.answer(TOKEN, OVER, 400)
    assert api.post(f"/connections/{connection.id}/refresh").json()["code"] == "ERR_OAUTH_REFRESH_FAILED"
    google(stand_in, AGAIN)
    start = api.post(f"/connections/{connection.id}/reconnect").json()
    mended = connect(api, state=start["state"]).json()
    assert (mended["id"], mended["status"]) == (str(connection.id), "active")
    assert events(tenant)[-2:] == ["connection.recovered", "connection.reconnected"]
    assert usable(connection) == "access-2"


def test_another_account_does_not_mend_it(api: Api, connection: Connection, stand_in: StandIn) -> None:
    stand_in.answer(USERINFO, {**ANA, "sub": "bob-1", "email": "bob@acme.test"})
    start = api.post(f"/connections/{connection.id}/reconnect").json()
    said = connect(api, state=start["state"]).json()
    assert said["details"]["reason"] == "wrong_account"
    assert "bob@acme.test instead of ana@acme.test" in said["message"]
    assert usable(connection) == "access-1"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_provider_that_is_away_ends_nothing(connection: Connection, stand_in: StandIn, status: int) -> None:
    expire()
    stand_in.answer(TOKEN, {"error": "server_error"}, status)
    with pytest.raises(OAuthRefreshFailed) as caught:
        usable(connection)
    assert (caught.value.needs_reauth, caught.value.is_retryable) == (False, True)
    now = row()
    assert (now.status, now.reason, now.failures, now.lease_id) == ("active", "refresh_failing", 1, None)
    assert now.refresh_at is not None
    assert now.refresh_at > datetime.now(UTC)


def test_it_is_left_alone_for_a_while(connection: Connection, stand_in: StandIn) -> None:
    expire()
    stand_in.answer(TOKEN, {"error": "server_error"}, 503)
    for _ in range(3):
        with pytest.raises(OAuthRefreshFailed):
            usable(connection)
    assert calls(stand_in) == 1


def test_those_who_wait_for_a_refresh_that_fails_fail_with_it(connection: Connection, stand_in: StandIn) -> None:
    expire()
    stand_in.answer(TOKEN, {"error": "server_error"}, 503)
    stand_in.meanwhile = lambda: time.sleep(0.5)

    def reason(_: int) -> str:
        with pytest.raises(OAuthRefreshFailed) as caught:
            usable(connection)
        return caught.value.reason

    assert set(at_once(reason, 10)) == {"provider_unavailable"}
    assert calls(stand_in) == 1


def test_a_token_that_has_not_ended_serves_while_its_renewal_fails(connection: Connection, stand_in: StandIn) -> None:
    expire(seconds=60)
    stand_in.answer(TOKEN, {"error": "server_error"}, 503)
    assert [usable(connection) for _ in range(3)] == ["access-1"] * 3
    assert calls(stand_in) == 1


def test_a_connection_that_cannot_be_renewed_breaks_with_its_token_and_recovers(
    api: Api, connection: Connection, stand_in: StandIn, tenant: UUID
) -> None:
    stand_in.answer(TOKEN, {"error": "server_error"}, 503)
    api.post(f"/connections/{connection.id}/refresh")
    assert events(tenant, "connection.broken") == []
    expire()
    for _ in range(2):
        api.post(f"/connections/{connection.id}/refresh")
    assert events(tenant, "connection.broken") == ["connection.broken"]
    shown = api.get(f"/connections/{connection.id}").json()
    assert (shown["status"], shown["reason"], shown["failures"]) == ("active", "refresh_failing", 3)
    google(stand_in, AGAIN)
    mended = api.post(f"/connections/{connection.id}/refresh").json()
    assert (mended["reason"], mended["failures"]) == (None, 0)
    assert events(tenant)[-1] == "connection.recovered"


def test_a_lost_answer_is_asked_for_once_more(
    connection: Connection, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether the old token is spent; the second answer tells."""
    monkeypatch.setattr(refreshing, "CALL_SECONDS", 1.5)
    expire()
    is_over = threading.Event()

    def silent_once() -> None:
        stand_in.meanwhile = lambda: None
        is_over.wait(30)

    stand_in.meanwhile = silent_once
    assert usable(connection) == "access-2"
    is_over.set()
    assert calls(stand_in) == 2


def test_a_connection_that_nothing_renews_ends_with_its_token(api: Api, stand_in: StandIn, tenant: UUID) -> None:
    bind(api)
    google(stand_in, {"access_token": "access-1", "expires_in": 3600})
    assert connected(api)["refreshable"] is False
    expire()
    with pytest.raises(OAuthRefreshFailed) as caught:
        usable(row())
    assert (caught.value.reason, caught.value.needs_reauth) == ("expired", True)
    assert events(tenant, "connection.broken") == ["connection.broken"]


def test_one_that_was_given_up_meanwhile_stays_so(connection: Connection, stand_in: StandIn) -> None:
    expire()
    stand_in.meanwhile = lambda: change(status="revoked")
    with pytest.raises(Exception, match="no connection"):
        usable(connection)
    assert row().status == "revoked"
