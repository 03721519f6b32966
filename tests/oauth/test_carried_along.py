"""What a start or a link was made with is what its end goes by, whoever passes it on."""

from typing import Any

import pytest
from django.test import Client

from oauth.models import Connection
from tests.make import Api
from tests.oauth.flows import (
    ANA,
    GRANT,
    TOKEN,
    USERINFO,
    asked_for,
    bind,
    come_back,
    connect,
    connected,
    google,
    started,
)
from tests.oauth.standing_in import StandIn
from tests.oauth.test_apple import ADA, apple, begin
from tests.oauth.test_connect_pages import HTML, choose, link, open_page
from tests.oauth.test_id_tokens import DIRECTORY, PLACES, RSA, signed
from tests.oauth.test_id_tokens import said as claims_of
from tests.oauth.test_refreshing import row

__all__ = ["apple"]
BOB = {**ANA, "sub": "bob-1", "email": "bob@acme.test", "name": "Bob"}
SEND = "https://www.googleapis.com/auth/gmail.send"


@pytest.fixture
def ready(api: Api, stand_in: StandIn) -> Api:
    bind(api, return_origins=["https://app.example"])
    google(stand_in)
    return api


def reason(answer: Any) -> str:
    found: str = answer.json()["details"]["reason"]
    return found


# --- By a link ---


def test_a_link_to_mend_one_connection_takes_no_other_account(ready: Api, stand_in: StandIn) -> None:
    made = connected(ready)
    google(stand_in, person=BOB)
    path = link(ready, connection_id=made["id"])
    failed = come_back(html=False, code="c", state=choose(path)["state"])
    assert (failed.status_code, reason(failed)) == (400, "wrong_account")
    assert [each["account"] for each in ready.get("/connections").json()["data"]] == ["ana@acme.test"]


def test_a_link_asks_for_its_own_scopes(ready: Api) -> None:
    assert choose(link(ready, providers=["google"], scopes=["openid", SEND]))["scope"] == f"openid {SEND}"


def test_a_link_of_two_providers_leads_only_where_both_may(ready: Api) -> None:
    """Whose return_origins hold for it is known only when one of them is chosen."""
    bind(ready, "github", return_origins=["https://other.example"])
    link(ready, providers=["google"], return_to="https://app.example/done")
    for origin in ("https://app.example", "https://other.example"):
        asked = {"providers": ["google", "github"], "return_to": f"{origin}/done"}
        said = ready.post("/connect/sessions", asked).json()
        assert said["details"]["fields"][0]["field"] == "return_to"


def test_who_opened_the_page_in_a_pop_up_sees_it_close(ready: Api) -> None:
    path = link(ready, providers=["google"])
    pages = [open_page(path), come_back(code="c", state="nonsense"), open_page("/connect/nothing")]
    done = come_back(code="c", state=choose(path)["state"])
    assert {page["Cross-Origin-Opener-Policy"] for page in (*pages, done)} == {"unsafe-none"}
    assert Client().get("/docs", headers=HTML)["Cross-Origin-Opener-Policy"] == "same-origin"


# --- By a browser, and by a back end ---


def test_a_browser_that_another_issuer_sends_is_sent_nowhere(ready: Api, stand_in: StandIn) -> None:
    failed = come_back(html=False, code="c", state=started(ready)["state"], iss="https://evil.example")
    assert (reason(failed), stand_in.asked) == ("issuer_mismatch", [])


def test_a_browser_comes_back_to_the_address_that_it_was_sent_with(ready: Api, stand_in: StandIn) -> None:
    """The redirect URI is the one of the start, not what it would be by now."""
    bind(ready, redirect_uris=["https://app.example/back"])
    start = started(ready, query="?redirect_uri=https%3A%2F%2Fapp.example%2Fback")
    come_back(html=False, code="c", state=start["state"])
    assert stand_in.asked[0].form["redirect_uri"] == asked_for(start)["redirect_uri"] == "https://app.example/back"


def test_a_back_end_passes_apples_name_on(api: Api, apple: StandIn) -> None:
    said = {"provider": "apple", "code": "c", "state": begin(api, apple), "user": ADA}
    assert api.post("/oauth/callback", said).json()["profile"]["name"] == "Ada Lovelace"


def test_an_id_token_is_of_this_very_start(ready: Api, stand_in: StandIn) -> None:
    stand_in.answer(f"GET {PLACES['google']}", {"keys": [RSA.as_dict(private=False)]})
    start = started(ready)
    for nonce, status in (("of-another", 400), (asked_for(start)["nonce"], 200)):
        token = signed(claims_of(aud="client-1", sub="ana-1", nonce=nonce))
        google(stand_in, {**GRANT, "id_token": token})
        state = start["state"] if status == 200 else started(ready)["state"]
        assert connect(ready, state=state).status_code == status


def test_microsofts_sub_names_no_account(api: Api, stand_in: StandIn) -> None:
    """It is another one for each application: https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference"""
    bind(api, "microsoft")
    start = started(api, "microsoft")
    stand_in.answer(f"GET {PLACES['microsoft']}", {"keys": [RSA.as_dict(private=False)]})
    token = signed(claims_of("microsoft", aud="client-1", nonce=asked_for(start)["nonce"], tid=DIRECTORY))
    stand_in.answer("POST login.microsoftonline.com/common/oauth2/v2.0/token", {**GRANT, "id_token": token})
    made = connect(api, "microsoft", state=start["state"])
    assert (made.status_code, made.json()["account_id"]) == (200, "")


def test_an_id_token_names_the_account_whose_profile_is_away(ready: Api, stand_in: StandIn) -> None:
    stand_in.answer(f"GET {PLACES['google']}", {"keys": [RSA.as_dict(private=False)]})
    start = started(ready)
    token = signed(claims_of(aud="client-1", sub="ana-1", nonce=asked_for(start)["nonce"]))
    stand_in.answer(TOKEN, {**GRANT, "id_token": token})
    stand_in.answer(USERINFO, {"error": "down"}, 503)
    assert connect(ready, state=start["state"]).json()["account_id"] == "ana-1"


# --- A connection is one account's ---


def test_another_accounts_profile_is_not_kept_with_it(ready: Api, stand_in: StandIn) -> None:
    made = connected(ready)
    google(stand_in, person=BOB)
    answer = ready.post("/oauth/google/profile", {"connection_id": made["id"]})
    assert (answer.json()["code"], reason(answer)) == ("ERR_OAUTH_PROFILE_FETCH_FAILED", "wrong_account")
    shown = ready.get(f"/connections/{made['id']}").json()
    assert (shown["account"], shown["profile"]["email"]) == ("ana@acme.test", "ana@acme.test")


def test_mending_asks_for_what_the_connection_needs(ready: Api) -> None:
    start = started(ready, query=f"?scopes=openid%20{SEND}")
    made = connect(ready, state=start["state"]).json()
    mending = ready.post(f"/connections/{made['id']}/reconnect").json()
    assert asked_for(mending)["scope"] == f"openid {SEND}"


# --- The client is replaced meanwhile ---


def test_a_new_secret_of_the_same_client_ends_the_flow(ready: Api, stand_in: StandIn) -> None:
    state = started(ready)["state"]
    bind(ready, client_secret="the-secret-that-came-after")
    assert connect(ready, state=state).status_code == 200
    assert stand_in.asked[0].form["client_secret"] == "the-secret-that-came-after"


def test_a_code_for_one_client_is_not_sent_by_another(ready: Api, stand_in: StandIn) -> None:
    state = started(ready)["state"]
    bind(ready, client_id="client-2")
    answer = connect(ready, state=state)
    assert (answer.status_code, answer.json()["code"]) == (400, "ERR_OAUTH_TOKEN_EXCHANGE_FAILED")
    assert (reason(answer), stand_in.asked) == ("client_changed", [])
    assert connected(ready)["status"] == "active"


def test_a_person_whose_client_was_replaced_begins_again_on_the_same_link(ready: Api) -> None:
    path = link(ready, providers=["google"])
    state = choose(path)["state"]
    bind(ready, client_id="client-2")
    page = come_back(code="c", state=state).content.decode()
    assert "Another client was bound for Google" in page
    assert f'href="https://hub.example{path}"' in page
    again = choose(path)
    assert again["client_id"] == "client-2"
    assert come_back(code="c", state=again["state"]).status_code == 200
    assert row().status == Connection.Status.ACTIVE


@pytest.mark.parametrize("is_renewed", [True, False])
def test_another_client_ends_no_connection_of_the_first(ready: Api, stand_in: StandIn, is_renewed: bool) -> None:
    """By its own client's id alone would the provider take the refresh token."""
    path = f"/connections/{connected(ready)['id']}"
    if is_renewed:
        assert ready.post(f"{path}/refresh").status_code == 200
    stand_in.asked.clear()
    bind(ready, client_id="client-2")
    said = ready.post(f"{path}/refresh").json()
    assert (said["code"], said["details"]["reason"]) == ("ERR_OAUTH_REFRESH_FAILED", "client_changed")
    assert (said["retryable"], said["details"]["needsReauth"], stand_in.asked) == (False, False, [])
    assert ready.get(path).json()["status"] == "active"
    bind(ready)
    assert ready.post(f"{path}/refresh").status_code == 200


def test_an_account_connected_by_another_client_is_renewed_by_that_one(ready: Api, stand_in: StandIn) -> None:
    path = f"/connections/{connected(ready)['id']}"
    bind(ready, client_id="client-2")
    google(stand_in, {name: value for name, value in GRANT.items() if name != "refresh_token"})
    assert connected(ready)["refreshable"] is False, "The first client's refresh token is of no use to it."
    google(stand_in)
    assert connected(ready)["refreshable"] is True
    assert ready.post(f"{path}/refresh").status_code == 200
    assert stand_in.asked[-1].form["client_id"] == "client-2"


def test_a_client_that_is_gone_is_said_and_no_code_is_sent(ready: Api, stand_in: StandIn) -> None:
    state = started(ready)["state"]
    [credential] = ready.get("/credentials").json()["data"]
    ready.delete(f"/credentials/{credential['id']}")
    answer = ready.post("/oauth/callback", {"provider": "google", "code": "code-1", "state": state})
    assert answer.json()["code"] == "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND"
    assert stand_in.asked == []


def test_a_person_whose_client_is_gone_keeps_the_link(ready: Api, stand_in: StandIn) -> None:
    path = link(ready, providers=["google"])
    state = choose(path)["state"]
    [credential] = ready.get("/credentials").json()["data"]
    ready.delete(f"/credentials/{credential['id']}")
    assert f'href="https://hub.example{path}"' in come_back(code="c", state=state).content.decode()
    assert stand_in.asked == []
