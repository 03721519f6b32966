"""No connection to the database, and no transaction, is held while a provider thinks."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from tests.make import Api
from tests.oauth.flows import bind, connect, connected, google, started
from tests.oauth.standing_in import StandIn
from tests.oauth.test_giving_up import REVOKE
from tests.oauth.test_refreshing import expire


def callback(api: Api) -> Callable[[], Any]:
    state = started(api)["state"]
    return lambda: connect(api, state=state)


def refresh(api: Api) -> Callable[[], Any]:
    path = f"/connections/{connected(api)['id']}/refresh"
    return lambda: api.post(path)


def refresh_a_token(api: Api) -> Callable[[], Any]:
    return lambda: api.post("/oauth/google/refresh", {"refresh_token": "theirs"})


def revoke_a_token(api: Api) -> Callable[[], Any]:
    return lambda: api.post("/oauth/google/revoke", {"access_token": "theirs"})


def read_a_profile(api: Api) -> Callable[[], Any]:
    return lambda: api.post("/oauth/google/profile", {"access_token": "theirs"})


def read_the_profile_of_one_that_has_ended(api: Api) -> Callable[[], Any]:
    asked = {"connection_id": connected(api)["id"]}
    expire()
    return lambda: api.post("/oauth/google/profile", asked)


def give_up(api: Api) -> Callable[[], Any]:
    path = f"/connections/{connected(api)['id']}"
    return lambda: api.delete(path)


@pytest.mark.parametrize(
    ("prepare", "calls"),
    [
        (callback, 2),
        (refresh, 1),
        (refresh_a_token, 1),
        (revoke_a_token, 1),
        (read_a_profile, 1),
        (read_the_profile_of_one_that_has_ended, 2),
        (give_up, 1),
    ],
)
def test_it_is_given_back_first(
    api: Api, stand_in: StandIn, prepare: Callable[[Api], Callable[[], Any]], calls: int
) -> None:
    bind(api)
    google(stand_in)
    stand_in.answer(REVOKE, {})
    act = prepare(api)
    here = connections["default"]
    held: list[bool] = []
    stand_in.meanwhile = lambda: held.append(here.connection is not None or here.in_atomic_block)
    assert act().status_code < 300
    assert held == [False] * calls
