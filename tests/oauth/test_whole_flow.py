"""A person's account from the link to its end, through the hub and a certified OpenID provider of others."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from integrationhub.core.deadline import Deadline
from oauth import refreshing, table
from oauth.models import Connection
from tests.audit.reading import at_once
from tests.make import Api
from tests.oauth import browser
from tests.oauth.flows import bind, press
from tests.oauth.peer import Peer, credentials
from tests.oauth.test_refreshing import expire

# Apple signs its secret with a key, which no OpenID server takes: its flow is in `test_apple.py`.
KEYS = [key for key in table.providers() if key != "apple"]
EACH = pytest.mark.parametrize("key", KEYS)
HTML = {"Accept": "text/html"}
pytestmark = pytest.mark.slow


def row() -> Connection:
    return Connection.objects.using("system").get()


def page_of(api: Api, key: str) -> str:
    client_id, client_secret = credentials(key)
    bind(api, key, client_id=client_id, client_secret=client_secret)
    answer = api.post("/connect/sessions", {"providers": [key]})
    return urlsplit(answer.json()["connect_url"]).path


def go(path: str, key: str, **how: Any) -> Any:
    """Press the button, sign in there, come back; what the browser then shows."""
    there = press(path, provider=key)["Location"]
    callback = browser.visit(there, **how)
    where = urlsplit(callback.url)
    assert f"{where.scheme}://{where.netloc}" == "https://hub.example"
    assert callback.method == "GET"
    return Client().get(where.path, callback.fields, headers=HTML)


@EACH
def test_from_the_link_to_the_end(api: Api, openid: Peer, key: str) -> None:
    shown = go(page_of(api, key), key, name="ada")
    assert "Connected as ada@example.com" in shown.content.decode()
    [made] = api.get("/connections").json()["data"]
    assert (made["provider"], made["account_id"], made["missing_scopes"]) == (key, "ada", [])

    for version in (2, 3):  # Rotation: each refresh token serves once, and the next one is kept.
        renewed = api.post(f"/oauth/{key}/refresh", {"connection_id": made["id"]})
        assert (renewed.status_code, row().token_version) == (200, version), renewed.content
    profile = api.post(f"/oauth/{key}/profile", {"connection_id": made["id"]}).json()
    assert (profile["id"], profile["name"]) == ("ada", "ada Lovelace")

    assert api.delete(f"/connections/{made['id']}").status_code == 204
    assert bytes(row().sealed) == b""
    assert api.get(f"/connections/{made['id']}").status_code == 404


def test_what_was_revoked_there_is_broken_here_and_mended_by_its_owner(api: Api, openid: Peer) -> None:
    go(page_of(api, "google"), "google")
    tokens = refreshing.usable(tenant_id=row().tenant_id, connection_id=row().id, deadline=Deadline.after(5))[1]
    assert api.post("/oauth/google/revoke", {"refresh_token": tokens.refresh_token}).status_code == 204
    refused = api.post(f"/connections/{row().id}/refresh").json()
    assert (refused["code"], refused["details"]["needsReauth"]) == ("ERR_OAUTH_REFRESH_FAILED", True)
    [broken] = api.get("/connections?status=needs_reauth").json()["data"]

    there = api.post(f"/connections/{broken['id']}/reconnect").json()["authorization_url"]
    callback = browser.visit(there)
    Client().get(urlsplit(callback.url).path, callback.fields, headers=HTML)
    assert api.get(f"/connections/{broken['id']}").json()["status"] == "active"
    assert api.post(f"/connections/{broken['id']}/refresh").status_code == 200


def test_fifty_workers_leave_the_grant_alive(api: Api, openid: Peer) -> None:
    """This provider ends a grant when a refresh token comes twice."""
    go(page_of(api, "google"), "google")
    for version in (2, 3):
        expire()
        about = {"tenant_id": row().tenant_id, "connection_id": row().id}
        versions = at_once(lambda _: refreshing.usable(**about, deadline=Deadline.after(20))[0], 50)  # noqa: B023
        assert set(versions) == {version}


def test_who_cancels_may_try_again(api: Api, openid: Peer) -> None:
    path = page_of(api, "google")
    shown = go(path, "google", is_willing=False).content.decode()
    assert "did not agree" in shown
    assert f'href="https://hub.example{path}"' in shown
    assert "Connected as" in go(path, "google").content.decode()


def test_a_code_of_another_provider_is_sent_nowhere(api: Api, openid: Peer) -> None:
    """Mix-up: what came back for one provider is brought to the callback of another."""
    there = press(page_of(api, "google"), provider="google")["Location"]
    callback = browser.visit(there)
    shown = Client().get("/oauth/callback/github", callback.fields, headers={"Accept": "application/json"})
    assert shown.json()["details"]["reason"] == "invalid_state"
    right = Client().get(urlsplit(callback.url).path, callback.fields, headers=HTML)
    assert right.status_code == 200
