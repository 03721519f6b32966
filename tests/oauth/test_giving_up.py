"""The end of a connection: disabled here at once, revoked at its provider as soon as that can be."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from oauth import upkeep
from oauth.models import Connection
from tests.audit.reading import trail_of
from tests.make import Api
from tests.oauth.flows import GRANT, bind, connected, google
from tests.oauth.standing_in import StandIn
from tests.oauth.test_refreshing import change, row

REVOKE = "POST oauth2.googleapis.com/revoke"


@pytest.fixture
def path(api: Api, stand_in: StandIn) -> str:
    """Of a connection of Google's."""
    bind(api)
    google(stand_in)
    path = f"/connections/{connected(api)['id']}"
    stand_in.asked.clear()
    return path


def test_the_provider_revokes_and_nothing_is_left(api: Api, stand_in: StandIn, path: str, tenant: UUID) -> None:
    stand_in.answer(REVOKE, {})
    assert api.delete(path).status_code == 204
    assert stand_in.only.form == {"token": "refresh-1"}
    assert api.get(path).json()["code"] == "ERR_CONNECTION_NOT_FOUND"
    assert api.get("/connections").json()["data"] == []
    assert (row().status, bytes(row().sealed), row().refresh_at) == ("revoked", b"", None)
    assert len(trail_of(tenant, "connection.revoked")) == 1


def test_where_the_provider_does_not_it_is_told_and_disabled_all_the_same(
    api: Api, stand_in: StandIn, path: str
) -> None:
    stand_in.answer(REVOKE, {"error": "server_error"}, 503)
    answer = api.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "ERR_OAUTH_REVOCATION_FAILED")
    assert api.get(path).status_code == 404
    assert bytes(row().sealed) != b""


@pytest.mark.parametrize("by", ["its path", "its provider"])
def test_who_tries_again_has_it_revoked_at_once(api: Api, stand_in: StandIn, path: str, tenant: UUID, by: str) -> None:
    """The answer said that this may help."""

    def give_up() -> Any:
        asked = {"connection_id": path.rsplit("/", 1)[1]}
        return api.delete(path) if by == "its path" else api.post("/oauth/google/revoke", asked)

    stand_in.answer(REVOKE, {"error": "server_error"}, 503)
    for _ in range(2):
        assert give_up().json()["retryable"] is True
    stand_in.answer(REVOKE, {})
    assert give_up().status_code == 204
    assert bytes(row().sealed) == b""
    assert give_up().json()["code"] == "ERR_CONNECTION_NOT_FOUND"
    assert len(trail_of(tenant, "connection.revoked")) == 1


def test_it_is_revoked_later_by_itself(api: Api, stand_in: StandIn, path: str) -> None:
    stand_in.answer(REVOKE, {"error": "server_error"}, 503)
    api.delete(path)
    later(stand_in)
    assert bytes(row().sealed) != b""
    stand_in.answer(REVOKE, {})
    later(stand_in)
    assert bytes(row().sealed) == b""
    assert stand_in.places == [REVOKE]


def test_after_five_tries_it_is_let_be(api: Api, stand_in: StandIn, path: str) -> None:
    stand_in.answer(REVOKE, {"error": "server_error"}, 503)
    api.delete(path)
    for _ in range(5):
        later(stand_in)
        assert stand_in.places == [REVOKE]
    assert (bytes(row().sealed), row().refresh_at) == (b"", None)


def later(stand_in: StandIn) -> None:
    """What the schedule and a worker do when the next try is due."""
    stand_in.asked.clear()
    change(refresh_at=datetime.now(UTC) - timedelta(seconds=1))
    assert upkeep.ask_for_what_is_due() == 1
    now = row()
    upkeep.attend_to(tenant_id=now.tenant_id, connection_id=now.id, token_version=now.token_version)


def test_a_provider_that_cannot_revoke_leaves_nothing_here(api: Api, stand_in: StandIn) -> None:
    bind(api, "microsoft")
    stand_in.answer("POST login.microsoftonline.com/common/oauth2/v2.0/token", GRANT)
    said = {"provider": "microsoft", "code": "c", "state": api.get("/oauth/microsoft/authorize").json()["state"]}
    made = api.post("/oauth/callback", said).json()
    answer = api.post("/oauth/microsoft/revoke", {"connection_id": made["id"]})
    assert answer.json()["code"] == "ERR_OAUTH_REVOCATION_FAILED"
    assert answer.json()["details"]["reason"] == "not_supported_by_provider"
    assert bytes(row().sealed) == b""
    assert api.get("/connections").json()["data"] == []


def test_an_account_that_was_given_up_can_be_connected_anew(api: Api, stand_in: StandIn, path: str) -> None:
    stand_in.answer(REVOKE, {})
    api.delete(path)
    assert f"/connections/{connected(api)['id']}" != path
    assert Connection.objects.using("system").count() == 2
