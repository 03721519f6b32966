"""From the start of a flow to a connection, through the HTTP API."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections as databases
from django.db.models import F

from oauth.models import Connection, Flow
from tests.audit.reading import at_once, trail_of
from tests.make import Api, another_tenant
from tests.oauth.flows import ANA, GRANT, SECRET, TOKEN, USERINFO, asked_for, bind, connect, connected, google, started
from tests.oauth.standing_in import StandIn

CALLBACK = "https://hub.example/oauth/callback/google"


def rows(model: Any = Connection) -> Any:
    return model.objects.using("system").order_by("id")


def error(answer: Any, code: str = "ERR_OAUTH_TOKEN_EXCHANGE_FAILED", status: int = 400) -> dict[str, Any]:
    said: dict[str, Any] = answer.json()
    assert (answer.status_code, said["code"]) == (status, code), said
    return said


def test_an_account_is_connected(api: Api, stand_in: StandIn) -> None:
    bind(api)
    google(stand_in)
    made = connected(api)
    assert UUID(made["id"]).version == 7
    shown = {name: made[name] for name in ("provider", "account_id", "account", "status", "reason", "refreshable")}
    assert shown == {
        "provider": "google",
        "account_id": "ana-1",
        "account": "ana@acme.test",
        "status": "active",
        "reason": None,
        "refreshable": True,
    }
    assert made["scopes"] == made["required_scopes"] == ["openid", "email", "profile"]
    assert made["profile"]["email_verified"] is True
    assert api.get(f"/connections/{made['id']}").json() == made


def test_the_person_is_sent_with_all_that_proves_the_way_back(api: Api, stand_in: StandIn) -> None:
    bind(api)
    google(stand_in)
    start = started(api)
    asked = asked_for(start)
    assert asked["redirect_uri"] == start["redirect_uri"] == CALLBACK
    assert asked["state"] == start["state"]
    assert asked["code_challenge_method"] == "S256"
    assert asked["client_id"] == "client-1"
    assert api.post("/oauth/callback", {"provider": "google", "code": "c", "state": start["state"]}).status_code == 200
    form = stand_in.asked[0].form
    assert form["redirect_uri"] == CALLBACK
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]


def test_without_a_client_bound_nothing_begins(api: Api, stand_in: StandIn) -> None:
    said = error(api.get("/oauth/google/authorize"), "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND", 404)
    assert said["details"]["providerKey"] == "google"
    assert not rows(Flow).exists()


def test_a_provider_must_be_named_known_and_bring_a_code(api: Api) -> None:
    error(api.post("/oauth/callback", {"code": "c"}), "ERR_OAUTH_PROVIDER_REQUIRED")
    said = error(api.post("/oauth/callback", {"provider": "myspace", "code": "c"}), "ERR_OAUTH_UNSUPPORTED_PROVIDER")
    assert "github" in said["details"]["supportedProviders"]
    error(api.post("/oauth/callback", {"provider": "google", "state": "s"}), "ERR_OAUTH_CODE_REQUIRED")
    error(api.get("/oauth/myspace/authorize"), "ERR_OAUTH_UNSUPPORTED_PROVIDER")


class TestState:
    """A state serves once, for ten minutes, for who began: and nothing is asked of the provider otherwise."""

    @pytest.fixture(autouse=True)
    def ready(self, api: Api, stand_in: StandIn) -> None:
        bind(api)
        google(stand_in)

    def refused(self, stand_in: StandIn, answer: Any) -> None:
        assert error(answer)["details"]["reason"] == "invalid_state"
        assert stand_in.asked == []
        assert not rows().exists()

    @pytest.mark.parametrize("state", ["", "nonsense", "A" * 86, "é", "A" * 500])
    def test_one_that_we_never_gave(self, api: Api, stand_in: StandIn, state: str) -> None:
        self.refused(stand_in, connect(api, state=state))

    def test_one_with_a_letter_changed(self, api: Api, stand_in: StandIn) -> None:
        state = started(api)["state"]
        for place in (5, 40, 84):
            changed = state[:place] + ("A" if state[place] != "A" else "B") + state[place + 1 :]
            self.refused(stand_in, connect(api, state=changed))

    def test_used_before(self, api: Api, stand_in: StandIn) -> None:
        state = started(api)["state"]
        assert connect(api, state=state).status_code == 200
        stand_in.asked.clear()
        assert error(connect(api, state=state))["details"]["reason"] == "invalid_state"
        assert stand_in.asked == []

    def test_expired(self, api: Api, stand_in: StandIn) -> None:
        state = started(api)["state"]
        rows(Flow).update(expires_at=F("expires_at") - timedelta(minutes=10))
        self.refused(stand_in, connect(api, state=state))

    def test_of_another_tenant(self, api: Api, stand_in: StandIn) -> None:
        stranger = another_tenant()
        bind(stranger)
        self.refused(stand_in, connect(api, state=started(stranger)["state"]))

    def test_of_another_person_of_the_tenant(self, api: Api, stand_in: StandIn) -> None:
        state = started(api)["state"]
        rows(Flow).update(subject="somebody-else")
        self.refused(stand_in, connect(api, state=state))

    def test_of_another_provider(self, api: Api, stand_in: StandIn) -> None:
        bind(api, "github")
        self.refused(stand_in, connect(api, "github", state=started(api, "google")["state"]))

    def test_a_stranger_does_not_use_it_up(self, api: Api, stand_in: StandIn) -> None:
        state = started(api)["state"]
        assert (
            another_tenant().post("/oauth/callback", {"provider": "google", "code": "c", "state": state}).status_code
            == 400
        )
        assert connect(api, state=state).status_code == 200

    def test_twenty_at_once_exchange_one_code(self, api: Api, stand_in: StandIn) -> None:
        state = started(api)["state"]

        answers = at_once(lambda _: connect(api, state=state).status_code, 20)
        assert sorted(answers) == [200] + [400] * 19
        assert stand_in.places.count(TOKEN) == 1

    def test_nothing_stored_gives_it_or_the_verifier_away(self, api: Api) -> None:
        state = started(api)["state"]
        with databases["system"].cursor() as cursor:
            cursor.execute("SELECT a::text FROM oauth_flow a")
            [(row,)] = cursor.fetchall()
        raw = base64.urlsafe_b64decode(state + "==")
        assert state not in row
        assert raw.hex() not in row
        assert "verifier" not in row


def test_the_answer_of_another_issuer_is_sent_nowhere(api: Api, stand_in: StandIn) -> None:
    bind(api)
    google(stand_in)
    said = error(connect(api, iss="https://evil.example"))
    assert said["details"]["reason"] == "issuer_mismatch"
    assert stand_in.asked == []
    assert connect(api, iss="https://accounts.google.com").status_code == 200


def test_the_providers_refusal_is_told_in_its_own_words(api: Api, stand_in: StandIn) -> None:
    bind(api)
    stand_in.answer(TOKEN, {"error": "invalid_grant", "error_description": f"Bad Request {SECRET}"}, 400)
    said = error(connect(api))
    assert said["details"]["providerError"]["code"] == "invalid_grant"
    assert "Bad Request" in said["details"]["providerError"]["message"]
    assert SECRET not in json.dumps(said)
    assert not rows().exists()


def test_a_redirect_uri_that_is_not_the_starts_is_refused(api: Api, stand_in: StandIn) -> None:
    bind(api)
    google(stand_in)
    assert error(connect(api, redirect_uri=CALLBACK + "/"))["details"]["reason"] == "redirect_uri_mismatch"
    assert stand_in.asked == []


def test_a_clients_own_redirect_uri_is_used_at_both_ends(api: Api, stand_in: StandIn) -> None:
    bind(api, redirect_uris=["https://app.example/back"])
    google(stand_in)
    start = started(api, query="?redirect_uri=https%3A%2F%2Fapp.example%2Fback")
    assert asked_for(start)["redirect_uri"] == "https://app.example/back"
    assert connect(api, state=start["state"]).status_code == 200
    assert stand_in.asked[0].form["redirect_uri"] == "https://app.example/back"


def test_one_that_is_not_registered_is_refused_before_anything_is_stored(api: Api, stand_in: StandIn) -> None:
    bind(api, redirect_uris=["https://app.example/back"])
    answer = api.get("/oauth/google/authorize?redirect_uri=https%3A%2F%2Fapp.example%2Fback%2F")
    said = error(answer, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")
    assert said["details"]["fields"][0]["field"] == "redirect_uri"
    assert not rows(Flow).exists()


def test_without_a_state_only_where_the_deployment_allows_it(api: Api, stand_in: StandIn, settings: Any) -> None:
    bind(api, redirect_uris=["https://app.example/back"])
    google(stand_in)
    own = {"provider": "google", "code": "c", "code_verifier": "v" * 43, "redirect_uri": "https://app.example/back"}
    assert error(api.post("/oauth/callback", own))["details"]["reason"] == "invalid_state"
    settings.OAUTH_REQUIRE_STATE = False
    assert api.post("/oauth/callback", own).status_code == 200
    assert stand_in.asked[0].form["code_verifier"] == "v" * 43
    stranger = {**own, "redirect_uri": "https://evil.example/"}
    assert error(api.post("/oauth/callback", stranger), "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")


def test_a_profile_that_cannot_be_read_costs_no_grant(api: Api, stand_in: StandIn) -> None:
    bind(api)
    stand_in.answer(TOKEN, GRANT)
    stand_in.answer(USERINFO, {"error": "down"}, 503)
    made = connected(api)
    assert (made["status"], made["profile"], made["account_id"]) == ("active", None, "")


def test_the_same_account_again_is_the_same_connection(api: Api, stand_in: StandIn) -> None:
    bind(api)
    google(stand_in)
    first = connected(api)
    google(stand_in, {**GRANT, "access_token": "access-2", "refresh_token": "refresh-2"})
    assert connected(api)["id"] == first["id"]
    assert rows().get().token_version == 2


def test_a_refresh_token_that_is_given_once_is_kept(api: Api, stand_in: StandIn) -> None:
    """Google gives one at the first consent only."""
    bind(api)
    google(stand_in)
    made = connected(api)
    google(stand_in, {name: value for name, value in GRANT.items() if name != "refresh_token"})
    connected(api)
    assert api.post(f"/connections/{made['id']}/refresh").status_code == 200
    assert stand_in.asked[-1].form["refresh_token"] == "refresh-1"


def test_accounts_are_told_apart(api: Api, stand_in: StandIn) -> None:
    bind(api)
    google(stand_in)
    first = connected(api)
    google(stand_in, person={**ANA, "sub": "bob-1", "email": "bob@acme.test"})
    second = connected(api)
    assert first["id"] != second["id"]
    assert [row["account"] for row in api.get("/connections").json()["data"]] == ["bob@acme.test", "ana@acme.test"]


def test_what_was_not_granted_is_told(api: Api, stand_in: StandIn) -> None:
    bind(api, scopes=["openid", "email", "https://www.googleapis.com/auth/gmail.send"])
    google(stand_in)
    assert connected(api)["missing_scopes"] == ["https://www.googleapis.com/auth/gmail.send"]


def test_connecting_is_told_and_stands_in_the_trail(api: Api, stand_in: StandIn, tenant: UUID) -> None:
    bind(api)
    google(stand_in)
    made = connected(api)
    told = [entry for entry in trail_of(tenant, "connection.connected", "connection.reconnected")]
    assert [(entry.action, entry.actor, entry.about) for entry in told] == [
        ("connection.connected", "tester", f"connection:{made['id']}")
    ]


def test_the_tokens_are_sealed_for_their_row(api: Api, stand_in: StandIn) -> None:
    bind(api)
    google(stand_in)
    connected(api)
    with databases["system"].cursor() as cursor:
        cursor.execute("SELECT c::text FROM oauth_connection c")
        [(row,)] = cursor.fetchall()
    assert "access-1" not in row
    assert b"access-1".hex() not in row


def test_what_a_list_shows_can_be_narrowed(api: Api, stand_in: StandIn) -> None:
    bind(api)
    google(stand_in)
    made = connected(api)
    assert [row["id"] for row in api.get("/connections?provider=google&status=active").json()["data"]] == [made["id"]]
    assert api.get("/connections?provider=github").json()["data"] == []
    assert error(api.get("/connections?status=odd"), "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")


def test_the_providers_are_listed_with_their_callback(api: Api) -> None:
    bind(api)
    listed = {row["key"]: row for row in api.get("/oauth/providers").json()["data"]}
    assert len(listed) == 8
    assert listed["google"]["redirect_uri"] == CALLBACK
    assert (listed["google"]["configured"], listed["github"]["configured"]) == (True, False)
    assert (listed["apple"]["refreshable"], listed["microsoft"]["revocable"]) == (False, False)


def test_only_who_may_connect_does(api: Api) -> None:
    user, one = api.as_role("user"), f"/connections/{uuid4()}"
    for method, path in (
        ("GET", "/oauth/google/authorize"),
        ("POST", "/oauth/callback"),
        ("POST", "/oauth/google/refresh"),
        ("POST", "/oauth/google/revoke"),
        ("POST", "/oauth/google/profile"),
        ("POST", "/connect/sessions"),
        ("POST", f"{one}/refresh"),
        ("POST", f"{one}/reconnect"),
        ("DELETE", one),
    ):
        assert user.request(method, path, {}).json()["code"] == "ERR_RBAC_FORBIDDEN"
    assert user.get("/connections").status_code == 200
    assert error(api.get(f"/connections/{uuid4()}"), "ERR_CONNECTION_NOT_FOUND", 404)
