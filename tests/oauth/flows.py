"""Whole flows through the HTTP API, with the provider that stands in."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.test import Client

from tests.make import Api
from tests.oauth.standing_in import StandIn

SECRET = "the-client-secret-of-a-test"
TOKEN = "POST oauth2.googleapis.com/token"
USERINFO = "GET openidconnect.googleapis.com/v1/userinfo"
GRANT = {
    "access_token": "access-1",
    "refresh_token": "refresh-1",
    "expires_in": 3600,
    "scope": "openid email profile",
    "token_type": "Bearer",
}
ANA = {"sub": "ana-1", "email": "ana@acme.test", "email_verified": True, "name": "Ana"}


def bind(api: Api, provider: str = "google", **more: Any) -> None:
    body = {"provider_key": provider, "credentials": {"client_id": "client-1", "client_secret": SECRET, **more}}
    answer = api.post("/credentials/bind", body)
    assert answer.status_code == 201, answer.content


def google(stand_in: StandIn, grant: dict[str, Any] | None = None, person: dict[str, Any] | None = None) -> None:
    """Google as it answers to what is right."""
    stand_in.answer(TOKEN, GRANT if grant is None else grant)
    stand_in.answer(USERINFO, ANA if person is None else person)


def started(api: Api, provider: str = "google", query: str = "") -> dict[str, Any]:
    answer = api.get(f"/oauth/{provider}/authorize{query}")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def asked_for(start: dict[str, Any]) -> dict[str, str]:
    """The parameters of the URL that a person is sent to."""
    query = parse_qs(urlsplit(start["authorization_url"]).query)
    return {name: value for name, [value] in query.items()}


def connect(api: Api, provider: str = "google", **body: Any) -> Any:
    """The answer to the whole flow, its callback passed on by a back end."""
    said = {"provider": provider, "code": "code-1", "state": started(api, provider)["state"], **body}
    return api.post("/oauth/callback", said)


def connected(api: Api) -> dict[str, Any]:
    answer = connect(api)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def press(path: str, **fields: str) -> Any:
    """A form that a browser posts, from whichever site."""
    form = "application/x-www-form-urlencoded"
    browser = Client(enforce_csrf_checks=True)
    return browser.post(path, urlencode(fields), content_type=form, headers={"Accept": "text/html"})


def come_back(provider: str = "google", *, html: bool = True, **query: str) -> Any:
    """A browser that a provider sends back."""
    headers = {"Accept": "text/html" if html else "application/json"}
    return Client().get(f"/oauth/callback/{provider}", query, headers=headers)
