"""Refresh, revoke and profile by what the caller names: a connection, or tokens that it holds."""

from typing import Any
from uuid import uuid4

import pytest

from tests.make import Api
from tests.oauth.flows import ANA, GRANT, TOKEN, bind, connected, google
from tests.oauth.standing_in import StandIn


@pytest.fixture
def ready(api: Api, stand_in: StandIn) -> Api:
    bind(api)
    google(stand_in)
    return api


def code_of(answer: Any) -> str:
    said: str = answer.json()["code"]
    return said


def test_tokens_that_the_caller_holds_are_renewed_for_it(ready: Api, stand_in: StandIn) -> None:
    answer = ready.post("/oauth/google/refresh", {"refresh_token": "theirs"})
    assert answer.json() == {
        "access_token": "access-1",
        "token_type": "Bearer",
        "refresh_token": "refresh-1",
        "id_token": None,
        "expires_in": 3600,
        "scopes": ["openid", "email", "profile"],
    }
    assert stand_in.only.form["refresh_token"] == "theirs"


def test_a_connection_is_renewed_and_shown_without_its_tokens(ready: Api, stand_in: StandIn) -> None:
    made = connected(ready)
    shown = ready.post("/oauth/google/refresh", {"connection_id": made["id"]}).json()
    assert shown["id"] == made["id"]
    assert "access_token" not in shown


@pytest.mark.parametrize("provider", ["apple", "instagram"])
@pytest.mark.parametrize("body", [{}, {"refresh_token": "t"}, {"connection_id": str(uuid4())}])
def test_two_providers_renew_nothing_whatever_is_asked(api: Api, provider: str, body: dict[str, str]) -> None:
    assert code_of(api.post(f"/oauth/{provider}/refresh", body)) == "ERR_OAUTH_REFRESH_NOT_SUPPORTED"


@pytest.mark.parametrize("action", ["refresh", "revoke", "profile"])
def test_without_a_token_or_a_connection_it_is_told_what_is_missing(ready: Api, action: str) -> None:
    for body in ({}, {"access_token": ""}, {"odd": "x"}):
        answer = ready.post(f"/oauth/google/{action}", body)
        assert code_of(answer) == "ERR_INTEGRATION_HUB_SVC_MISSING_TOKEN", answer.json()


@pytest.mark.parametrize("action", ["refresh", "revoke", "profile"])
def test_a_provider_must_be_known_and_the_connection_its_own(ready: Api, action: str) -> None:
    assert code_of(ready.post(f"/oauth/myspace/{action}", {})) == "ERR_OAUTH_UNSUPPORTED_PROVIDER"
    made = connected(ready)
    bind(ready, "github")
    answer = ready.post(f"/oauth/github/{action}", {"connection_id": made["id"]})
    assert code_of(answer) == "ERR_CONNECTION_NOT_FOUND"


def test_a_token_that_is_no_text_is_named(ready: Api) -> None:
    said = ready.post("/oauth/google/profile", {"access_token": 5}).json()
    assert said["details"]["fields"][0]["field"] == "access_token"


def test_a_profile_reads_the_same_for_all(ready: Api, stand_in: StandIn) -> None:
    shown = ready.post("/oauth/google/profile", {"access_token": "theirs"}).json()
    assert shown["raw"] == ANA
    assert (shown["id"], shown["email"], shown["email_verified"], shown["locale"]) == (
        "ana-1",
        "ana@acme.test",
        True,
        None,
    )
    assert stand_in.only.headers["authorization"] == "Bearer theirs"


def test_a_connections_profile_is_kept_with_it(ready: Api, stand_in: StandIn) -> None:
    made = connected(ready)
    google(stand_in, person={**ANA, "name": "Ana Maria"})
    assert ready.post("/oauth/google/profile", {"connection_id": made["id"]}).json()["name"] == "Ana Maria"
    assert ready.get(f"/connections/{made['id']}").json()["profile"]["name"] == "Ana Maria"


def test_a_profile_that_cannot_be_read_has_its_code(ready: Api, stand_in: StandIn) -> None:
    stand_in.answer("GET openidconnect.googleapis.com/v1/userinfo", {"error": "invalid_token"}, 401)
    said = ready.post("/oauth/google/profile", {"access_token": "theirs"})
    assert code_of(said) == "ERR_OAUTH_PROFILE_FETCH_FAILED"


def test_a_token_is_revoked_for_who_holds_it(ready: Api, stand_in: StandIn) -> None:
    stand_in.answer("POST oauth2.googleapis.com/revoke", {})
    assert ready.post("/oauth/google/revoke", {"access_token": "theirs"}).status_code == 204
    assert stand_in.only.form == {"token": "theirs"}


def test_a_refresh_that_the_provider_refuses_has_its_code(ready: Api, stand_in: StandIn) -> None:
    stand_in.answer(TOKEN, {"error": "invalid_grant"}, 400)
    said = ready.post("/oauth/google/refresh", {"refresh_token": "theirs"})
    assert code_of(said) == "ERR_OAUTH_REFRESH_FAILED"
    assert said.json()["details"]["needsReauth"] is True
    assert GRANT["refresh_token"] not in said.content.decode()
