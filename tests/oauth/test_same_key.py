"""One Idempotency-Key at every POST that acts: one effect, one answer, and no secret of it in plain text."""

from collections.abc import Callable
from typing import Any

import pytest

from oauth.models import Connection, ConnectSession, Flow
from tests.isolation.channels import found
from tests.make import Api, keyed
from tests.oauth.flows import TOKEN, bind, connect, connected, google, started
from tests.oauth.standing_in import StandIn
from tests.oauth.test_giving_up import REVOKE
from tests.oauth.test_refreshing import AGAIN
from tests.totp.test_secrecy import everything_stored

Ask = Callable[..., Any]


@pytest.fixture
def ready(api: Api, stand_in: StandIn) -> Api:
    bind(api)
    google(stand_in)
    stand_in.answer(REVOKE, {})
    return api


def callback(api: Api) -> tuple[str, Any]:
    return "/oauth/callback", {"provider": "google", "code": "code-1", "state": started(api)["state"]}


def refresh(api: Api) -> tuple[str, Any]:
    return f"/connections/{connected(api)['id']}/refresh", None


def refresh_by_provider(api: Api) -> tuple[str, Any]:
    return "/oauth/google/refresh", {"connection_id": connected(api)["id"]}


def refresh_a_token(api: Api) -> tuple[str, Any]:
    return "/oauth/google/refresh", {"refresh_token": "a-refresh-token-of-theirs"}


def revoke(api: Api) -> tuple[str, Any]:
    return "/oauth/google/revoke", {"connection_id": connected(api)["id"]}


def revoke_a_token(api: Api) -> tuple[str, Any]:
    return "/oauth/google/revoke", {"access_token": "an-access-token-of-theirs"}


def reconnect(api: Api) -> tuple[str, Any]:
    return f"/connections/{connected(api)['id']}/reconnect", None


def make_a_link(api: Api) -> tuple[str, Any]:
    return "/connect/sessions", {"providers": ["google"]}


def rows() -> list[int]:
    return [model.objects.using("system").count() for model in (Connection, Flow, ConnectSession)]


@pytest.mark.parametrize(
    "prepare",
    [callback, refresh, refresh_by_provider, refresh_a_token, revoke, revoke_a_token, reconnect, make_a_link],
)
def test_a_repeat_acts_no_second_time_and_is_answered_the_same(
    ready: Api, stand_in: StandIn, prepare: Callable[[Api], tuple[str, Any]]
) -> None:
    path, body = prepare(ready)
    key = keyed()
    first = ready.post(path, body, **key)
    assert first.status_code < 300, first.content
    asked, stored = list(stand_in.places), rows()
    google(stand_in, AGAIN)
    again = ready.post(path, body, **key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (first.has_header("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (False, "true")
    assert (stand_in.places, rows()) == (asked, stored)


def test_no_answer_under_a_key_is_stored_in_plain_text(ready: Api) -> None:
    path, body = refresh_a_token(ready)
    tokens = ready.post(path, body, **keyed()).json()
    link = ready.post("/connect/sessions", {"providers": ["google"]}, **keyed()).json()
    start = ready.post(*reconnect(ready), **keyed()).json()
    secrets = {
        "access": tokens["access_token"],
        "refresh": tokens["refresh_token"],
        "sent": body["refresh_token"],
        "link": link["connect_url"].rsplit("/", 1)[1],
        "state": start["state"],
    }
    stored = everything_stored()
    assert link["id"] in stored, "The search sees the rows."
    assert found(secrets, stored) == []


def test_a_refusal_gives_the_key_back(ready: Api, stand_in: StandIn) -> None:
    made, key = connected(ready), keyed()
    stand_in.answer(TOKEN, {"error": "server_error"}, 503)
    path = f"/connections/{made['id']}/refresh"
    assert ready.post(path, **key).json()["code"] == "ERR_OAUTH_REFRESH_FAILED"
    google(stand_in, AGAIN)
    assert ready.post(path, **key).status_code == 200


def test_a_key_is_of_one_tenant_and_one_body(ready: Api) -> None:
    key = keyed()
    assert ready.post("/connect/sessions", {"providers": ["google"]}, **key).status_code == 201
    other = ready.post("/connect/sessions", {"providers": ["google"], "scopes": ["openid"]}, **key)
    assert (other.status_code, other.json()["details"]["reason"]) == (422, "idempotency_key_reused")


def test_two_at_once_exchange_one_code(ready: Api, stand_in: StandIn) -> None:
    key, inner = keyed(), []
    state = started(ready)["state"]

    def meanwhile() -> None:
        stand_in.meanwhile = lambda: None
        inner.append(connect(ready, state=state))
        inner.append(ready.post("/oauth/callback", {"provider": "google", "code": "code-1", "state": state}, **key))

    stand_in.meanwhile = meanwhile
    outer = ready.post("/oauth/callback", {"provider": "google", "code": "code-1", "state": state}, **key)
    assert [answer.status_code for answer in (outer, *inner)] == [200, 400, 409]
    assert stand_in.places.count(TOKEN) == 1
