"""Apple's flow through the hub: a form that its site posts, a name that comes once, a token that only revokes."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwk, jwt

from oauth import upkeep
from tests.make import Api
from tests.oauth.flows import asked_for, press, started
from tests.oauth.standing_in import StandIn
from tests.oauth.test_refreshing import change, row

SIGNS = jwk.RSAKey.generate_key(2048, {"kid": "apples", "use": "sig", "alg": "RS256"})
TOKEN, REVOKE = "POST appleid.apple.com/auth/token", "POST appleid.apple.com/auth/revoke"
ADA = json.dumps({"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "x@privaterelay.appleid.com"})


@pytest.fixture
def apple(api: Api, stand_in: StandIn) -> StandIn:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secrets = {"client_id": "app.example", "team_id": "TEAM567890", "key_id": "KEY4567890", "private_key": key.decode()}
    bound = api.post("/credentials/bind", {"provider_key": "apple", "credentials": secrets})
    assert bound.status_code == 201, bound.content
    stand_in.answer("GET appleid.apple.com/auth/keys", {"keys": [SIGNS.as_dict(private=False)]})
    return stand_in


def begin(api: Api, apple: StandIn, nonce: str | None = None) -> str:
    """The state of a start, whose code Apple will answer."""
    start, now = started(api, "apple"), int(time.time())
    claims = {
        "iss": "https://appleid.apple.com",
        "aud": "app.example",
        "sub": "001.ada",
        "email": "x@privaterelay.appleid.com",
        "email_verified": "true",
        "iat": now,
        "exp": now + 600,
        "nonce": nonce or asked_for(start)["nonce"],
    }
    id_token = jwt.encode({"alg": "RS256", "kid": "apples"}, claims, SIGNS, algorithms=["RS256"])
    grant = {"access_token": "a-1", "expires_in": 3600, "refresh_token": "r-1", "id_token": id_token}
    apple.answer(TOKEN, grant)
    state: str = start["state"]
    return state


def come_back(api: Api, apple: StandIn, *, nonce: str | None = None, **form: str) -> Any:
    """Apple's site has the browser post the form, without any cookie of ours."""
    return press("/oauth/callback/apple", **{"code": "c", "state": begin(api, apple, nonce), **form})


def test_an_account_is_connected_and_its_name_kept(api: Api, apple: StandIn) -> None:
    assert asked_for(started(api, "apple"))["response_mode"] == "form_post"
    shown = come_back(api, apple, user=ADA)
    assert "Connected as x@privaterelay.appleid.com" in shown.content.decode()
    [made] = api.get("/connections").json()["data"]
    assert (made["profile"]["name"], made["profile"]["email_verified"]) == ("Ada Lovelace", True)
    come_back(api, apple)  # From now on Apple tells no name.
    [again] = api.get("/connections").json()["data"]
    assert (again["id"], again["profile"]["name"]) == (made["id"], "Ada Lovelace")


def test_an_id_token_of_another_flow_connects_nobody(api: Api, apple: StandIn) -> None:
    shown = come_back(api, apple, nonce="of-another-flow")
    assert (shown.status_code, "is not connected" in shown.content.decode()) == (400, True)
    assert api.get("/connections").json()["data"] == []


def test_nothing_renews_it_and_its_refresh_token_stays_to_revoke_by(api: Api, apple: StandIn) -> None:
    come_back(api, apple, user=ADA)
    [made] = api.get("/connections").json()["data"]
    assert (made["refreshable"], made["next_refresh_at"], made["grant_expires_at"]) == (False, None, None)
    refused = api.post(f"/connections/{made['id']}/refresh").json()
    assert refused["code"] == "ERR_OAUTH_REFRESH_NOT_SUPPORTED"
    change(expires_at=datetime.now(UTC) - timedelta(hours=1))
    assert upkeep.tell_of_ends() == 0
    apple.answer(REVOKE, {})
    apple.asked.clear()
    assert api.delete(f"/connections/{made['id']}").status_code == 204
    assert (apple.only.form["token"], apple.only.form["token_type_hint"]) == ("r-1", "refresh_token")
    assert bytes(row().sealed) == b""


def test_a_connections_profile_is_told_though_apple_has_no_place_to_ask(api: Api, apple: StandIn) -> None:
    come_back(api, apple, user=ADA)
    [made] = api.get("/connections").json()["data"]
    assert api.post("/oauth/apple/profile", {"connection_id": made["id"]}).json()["name"] == "Ada Lovelace"
    said = api.post("/oauth/apple/profile", {"access_token": "a"}).json()
    assert said["code"] == "ERR_OAUTH_PROFILE_FETCH_FAILED"
    assert said["details"]["reason"] == "apple_requires_id_token"


def test_who_cancels_is_told_so(api: Api, apple: StandIn) -> None:
    shown = press(
        "/oauth/callback/apple", **{"error": "user_cancelled_authorize", "state": started(api, "apple")["state"]}
    )
    assert "did not agree" in shown.content.decode()
