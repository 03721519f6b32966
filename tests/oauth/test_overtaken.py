"""The end of a flow meets somebody else's: each test holds the database where the two come together."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections, transaction

from integrationhub.outbox.models import Event
from oauth import keeping
from oauth.models import Connection
from oauth.protocol import Tokens
from tests.audit.reading import at_once
from tests.make import Api
from tests.oauth.flows import GRANT, bind, come_back, connect, connected, google, started
from tests.oauth.standing_in import StandIn
from tests.oauth.test_connect_pages import choose, link
from tests.oauth.test_refreshing import change, row

NO_REFRESH = {name: value for name, value in GRANT.items() if name != "refresh_token"}
SECONDS = 10


@pytest.fixture
def ready(api: Api, stand_in: StandIn) -> Api:
    bind(api)
    google(stand_in)
    return api


@contextmanager
def waiting(count: int, act: Callable[[int], Any]) -> Iterator[list[Any]]:
    """So many do it, and all of them wait for a lock when the block is left; then the list holds their answers."""

    def do(number: int) -> Any:
        try:
            return act(number)
        finally:
            connections.close_all()

    answers: list[Any] = []
    with ThreadPoolExecutor(count) as pool:
        doing = [pool.submit(do, number) for number in range(count)]
        with connections["owner"].cursor() as cursor:
            until = time.monotonic() + SECONDS
            while _waiting(cursor) < count and not any(each.done() for each in doing):
                assert time.monotonic() < until
                time.sleep(0.02)
        yield answers
        answers += [each.result(SECONDS) for each in doing]


def _waiting(cursor: Any) -> int:
    cursor.execute(
        """SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    )
    return int(cursor.fetchone()[1])


def overtaken(by: Callable[[], None], act: Callable[[], Any]) -> Any:
    """The answer of one that comes to a row which another has changed, and only then commits."""
    holder = transaction.atomic(using="system")
    holder.__enter__()
    by()
    with waiting(1, lambda _: act()) as answers:
        holder.__exit__(None, None, None)
    return answers[0]


def test_two_flows_of_an_account_that_is_new_make_one_connection(ready: Api) -> None:
    states = [started(ready)["state"] for _ in range(2)]
    holder = transaction.atomic(using="owner")
    holder.__enter__()
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"LOCK TABLE {Event._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
    with waiting(2, lambda number: connect(ready, state=states[number])) as answers:
        holder.__exit__(None, None, None)
    assert [answer.status_code for answer in answers] == [200, 200], [answer.content for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_refresh_that_is_just_being_stored_is_not_undone(ready: Api, stand_in: StandIn) -> None:
    """The same person comes again and gets no refresh token, while the one that was kept is being replaced."""
    connected(ready)
    google(stand_in, NO_REFRESH)
    state = started(ready)["state"]
    newer = keeping.sealed(row(), Tokens("access-2", "refresh-2"))
    answer = overtaken(lambda: change(sealed=newer, token_version=2), lambda: connect(ready, state=state))
    assert answer.status_code == 200
    now = keeping.opened(row())
    assert (now.access_token, now.refresh_token, row().token_version) == ("access-1", "refresh-2", 3)


def give_up() -> None:
    change(status="revoked")


def test_what_is_just_being_given_up_is_not_mended(ready: Api) -> None:
    made = connected(ready)
    state = ready.post(f"/connections/{made['id']}/reconnect").json()["state"]
    answer = overtaken(give_up, lambda: connect(ready, state=state))
    assert (answer.status_code, answer.json()["code"]) == (404, "ERR_CONNECTION_NOT_FOUND")
    assert row().status == "revoked"


def test_an_account_that_is_just_being_given_up_is_connected_anew(ready: Api) -> None:
    made, state = connected(ready), started(ready)["state"]
    answer = overtaken(give_up, lambda: connect(ready, state=state))
    assert answer.status_code == 200, answer.content
    assert answer.json()["id"] != made["id"]
    rows = Connection.objects.using("system").order_by("id")
    assert [each.status for each in rows] == ["revoked", "active"]


def test_a_new_grant_waits_for_no_refresh_of_the_old_one(ready: Api) -> None:
    made = connected(ready)
    change(lease_id=uuid4(), lease_until=datetime.now(UTC) + timedelta(seconds=60))
    connected(ready)
    begun = time.monotonic()
    assert ready.post(f"/connections/{made['id']}/refresh").status_code == 200
    assert time.monotonic() - begun < 10


def test_a_link_that_is_opened_twice_connects_once(ready: Api) -> None:
    path = link(ready, providers=["google"])
    states = [choose(path)["state"] for _ in range(4)]
    answers = at_once(lambda number: come_back(html=False, code="code-1", state=states[number]), 4)
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert {answer.json()["details"]["reason"] for answer in answers if answer.status_code == 400} == {"session_used"}
