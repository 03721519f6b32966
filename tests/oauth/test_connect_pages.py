"""The hosted pages: a link, a choice, the provider, and what a person sees when they come back."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from oauth.models import Connection, ConnectSession
from tests.make import Api, another_tenant
from tests.oauth.flows import GRANT, SECRET, TOKEN, bind, come_back, connected, google, press, started
from tests.oauth.standing_in import StandIn

HTML = {"Accept": "text/html"}


@pytest.fixture
def ready(api: Api, stand_in: StandIn) -> Api:
    bind(api, redirect_uris=[], return_origins=["https://app.example"])
    google(stand_in)
    return api


def link(api: Api, **body: Any) -> str:
    """The path of a new link."""
    answer = api.post("/connect/sessions", body)
    assert answer.status_code == 201, answer.content
    return urlsplit(answer.json()["connect_url"]).path


def open_page(path: str) -> Any:
    return Client().get(path, headers=HTML)


def choose(path: str, provider: str = "google") -> dict[str, str]:
    """Press the button; what the provider is asked with."""
    answer = press(path, provider=provider)
    assert answer.status_code == 302, answer.content
    return {name: value for name, [value] in parse_qs(urlsplit(answer["Location"]).query).items()}


def sessions() -> Any:
    return ConnectSession.objects.using("system")


def test_a_person_connects_by_a_link(ready: Api) -> None:
    path = link(ready, providers=["google"])
    page = open_page(path).content.decode()
    assert "Continue with Google" in page
    assert "see your e-mail address" in page
    done = come_back(code="code-1", state=choose(path)["state"])
    assert done.status_code == 200
    assert "Connected as ana@acme.test" in done.content.decode()
    assert [row["account"] for row in ready.get("/connections").json()["data"]] == ["ana@acme.test"]


def test_the_link_is_shown_once_and_lives_thirty_minutes(ready: Api) -> None:
    answer = ready.post("/connect/sessions", {"providers": ["google"]}).json()
    assert answer["connect_url"].startswith("https://hub.example/connect/")
    left = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)


def test_it_serves_once(ready: Api) -> None:
    path = link(ready, providers=["google"])
    first, second = choose(path)["state"], choose(path)["state"]
    assert come_back(code="code-1", state=first).status_code == 200
    over = open_page(path)
    assert (over.status_code, "has been used" in over.content.decode()) == (410, True)
    refused = come_back(code="code-2", state=second)
    assert "session_used" in refused.content.decode()
    assert press(path, provider="google").status_code == 410


def test_it_expires(ready: Api) -> None:
    path = link(ready, providers=["google"])
    sessions().update(expires_at=datetime.now(UTC))
    over = open_page(path)
    assert (over.status_code, "has expired" in over.content.decode()) == (410, True)


@pytest.mark.parametrize("token", ["x", "A" * 86])
def test_a_link_that_we_never_gave_is_none(token: str) -> None:
    page = open_page(f"/connect/{token}")
    shown = page.content.decode()
    assert (page.status_code, "There is no such link." in shown) == (404, True)
    assert "Search the error reference" not in shown  # Who comes here is a guest of the application.


def test_a_state_is_no_link(ready: Api) -> None:
    assert open_page(f"/connect/{started(ready)['state']}").status_code == 404


def test_only_what_the_link_allows_can_be_chosen(ready: Api) -> None:
    bind(ready, "github")
    path = link(ready, providers=["google"])
    assert "GitHub" not in open_page(path).content.decode()
    answer = press(path, provider="github")
    assert (answer.status_code, "does not offer that" in answer.content.decode()) == (400, True)


def test_without_a_list_all_that_have_a_client_can_be(ready: Api) -> None:
    bind(ready, "github")
    page = open_page(link(ready)).content.decode()
    assert all(f"Continue with {name}" in page for name in ("Google", "GitHub"))
    assert "LinkedIn" not in page


def test_a_link_of_nothing_is_refused(api: Api, stand_in: StandIn) -> None:
    for body in ({}, {"providers": ["google"]}):
        assert api.post("/connect/sessions", body).json()["code"] == "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND"


def test_what_is_wrong_with_a_link_is_named(ready: Api) -> None:
    wrong = {"providers": [], "scopes": "all", "odd": 1}
    said = ready.post("/connect/sessions", wrong).json()
    assert {fault["field"] for fault in said["details"]["fields"]} == {"providers", "scopes", "odd"}


def test_an_error_stays_on_the_page_with_all_that_helps(ready: Api, stand_in: StandIn) -> None:
    path = link(ready, providers=["google"])
    words = "Bad redirect <b>URI</b>"
    stand_in.answer(TOKEN, {"error": "redirect_uri_mismatch", "error_description": words}, 400)
    failed = come_back(code="code-1", state=choose(path)["state"])
    page = failed.content.decode()
    assert failed.status_code == 400
    assert "redirect_uri_mismatch" in page
    assert "Bad redirect &lt;b&gt;URI&lt;/b&gt;" in page
    assert "must list exactly this address" in page
    assert "https://hub.example/oauth/callback/google" in page
    assert "ERR_OAUTH_TOKEN_EXCHANGE_FAILED" in page
    assert failed["x-request-id"] in page
    assert f'href="https://hub.example{path}"' in page
    assert SECRET not in page


def test_who_tries_again_succeeds_on_the_same_link(ready: Api, stand_in: StandIn) -> None:
    path = link(ready, providers=["google"])
    stand_in.answer(TOKEN, {"error": "invalid_grant"}, 400)
    come_back(code="code-1", state=choose(path)["state"])
    google(stand_in)
    assert come_back(code="code-2", state=choose(path)["state"]).status_code == 200


def test_who_does_not_agree_is_told_so(ready: Api, stand_in: StandIn) -> None:
    path = link(ready, providers=["google"])
    failed = come_back(error="access_denied", state=choose(path)["state"])
    page = failed.content.decode()
    assert "You did not agree at Google." in page
    assert "Try again" in page
    assert stand_in.asked == []


def test_the_address_that_is_shown_is_the_one_that_was_sent(ready: Api, stand_in: StandIn) -> None:
    path = link(ready, providers=["google"])
    sent = choose(path)
    listed = {row["key"]: row["redirect_uri"] for row in ready.get("/oauth/providers").json()["data"]}
    failed = come_back(error="server_error", state=sent["state"]).content.decode()
    assert sent["redirect_uri"] == listed["google"]
    assert sent["redirect_uri"] in failed


def test_words_that_come_with_the_browser_are_shown_without_addresses(ready: Api) -> None:
    path = link(ready, providers=["google"])
    words = "Ask https://evil.example/reset?now or\r\nhttp://10.0.0.1"
    said = {"error": "https://evil.example", "error_description": words}
    page = come_back(**said, state=choose(path)["state"]).content.decode()
    assert "<p>Ask [url] or [url]</p>" in page
    assert "evil.example" not in page


def test_a_state_of_no_flow_leads_nowhere(ready: Api, stand_in: StandIn) -> None:
    failed = come_back(code="c", state="nonsense")
    assert failed.status_code == 400
    assert "Go back to the application" in failed.content.decode()
    assert stand_in.asked == []


def test_afterwards_a_person_goes_where_the_tenant_said(ready: Api) -> None:
    path = link(ready, providers=["google"], return_to="https://app.example/done?x=1")
    done = come_back(code="code-1", state=choose(path)["state"])
    where = urlsplit(done["Location"])
    assert (where.netloc, where.path) == ("app.example", "/done")
    said = parse_qs(where.query)
    assert (said["x"], said["status"], said["provider"]) == (["1"], ["connected"], ["google"])
    assert said["connection_id"] == [str(Connection.objects.using("system").get().id)]


@pytest.mark.parametrize(
    "return_to",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%5cevil.example",
        "/%2f%2fevil.example",
        "https://app.example@evil.example/",
        "https://app.example.evil.example/",
        "http://app.example/",
        "https://app.example:444/",
        "javascript:alert(1)",
        "/x\r\nSet-Cookie: a=b",
        "/x%0d%0aSet-Cookie: a=b",
        " https://app.example/",
        "https:///evil.example",
        "https:evil.example",
        "/é",
    ],
)
def test_and_nowhere_else(ready: Api, return_to: str) -> None:
    said = ready.post("/connect/sessions", {"providers": ["google"], "return_to": return_to}).json()
    assert said["details"]["fields"][0]["field"] == "return_to"
    assert not sessions().exists()


@pytest.mark.parametrize("return_to", ["/docs", "/docs?x=%2F%2F", "https://app.example", "https://app.example/a?b=c#d"])
def test_these_are_fine(ready: Api, return_to: str) -> None:
    link(ready, providers=["google"], return_to=return_to)


@pytest.mark.parametrize(
    ("named", "host"),
    [
        ({"return_to": "https://app.example/done"}, "app.example"),
        ({"opener_origin": "https://app.example"}, "app.example"),
        ({"return_to": "/docs"}, ""),
        ({}, ""),
    ],
)
def test_a_person_is_told_where_the_account_will_be_used(ready: Api, named: dict[str, str], host: str) -> None:
    page = open_page(link(ready, providers=["google"], **named)).content.decode()
    assert (f"To use it at <strong>{host}</strong>." in page) == bool(host)
    assert ("To use it at" in page) == bool(host)


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example/", "*", "null", "/"])
def test_an_opener_is_of_an_origin_that_the_client_lists(ready: Api, origin: str) -> None:
    said = ready.post("/connect/sessions", {"providers": ["google"], "opener_origin": origin}).json()
    assert said["details"]["fields"][0]["field"] == "opener_origin"
    assert not sessions().exists()


def test_an_opener_must_be_listed_by_each_client_that_may_be_chosen(ready: Api) -> None:
    bind(ready, "github", return_origins=["https://other.example"])
    asked = {"providers": ["google", "github"], "opener_origin": "https://app.example"}
    assert ready.post("/connect/sessions", asked).status_code == 400


def test_what_was_not_granted_stays_to_be_read(ready: Api, stand_in: StandIn) -> None:
    """Scripts close a page by its `data-close`."""
    done = come_back(code="c", state=choose(link(ready, providers=["google"]))["state"]).content.decode()
    google(stand_in, {**GRANT, "scope": "openid"})
    partly = come_back(code="c", state=choose(link(ready, providers=["google"]))["state"]).content.decode()
    assert ("data-close" in done, "data-close" in partly) == (True, False)
    assert "Not everything that was asked for was granted." in partly
    assert "see your e-mail address" in partly


def test_a_link_mends_a_connection(ready: Api) -> None:
    made = connected(ready)
    path = link(ready, connection_id=made["id"])
    assert come_back(code="c", state=choose(path)["state"]).status_code == 200
    [row] = ready.get("/connections").json()["data"]
    assert row["id"] == made["id"]


def test_another_tenants_connection_is_none(ready: Api) -> None:
    made = connected(ready)
    stranger = another_tenant()
    bind(stranger)
    assert (
        stranger.post("/connect/sessions", {"connection_id": made["id"]}).json()["code"] == "ERR_CONNECTION_NOT_FOUND"
    )


def test_programs_get_json(ready: Api) -> None:
    done = come_back(html=False, code="code-1", state=started(ready)["state"])
    assert done.json()["status"] == "connected"
    failed = come_back(html=False, code="c", state="nonsense")
    assert (failed.status_code, failed.json()["code"]) == (400, "ERR_OAUTH_TOKEN_EXCHANGE_FAILED")


@pytest.mark.parametrize(("provider", "method", "allowed"), [("apple", "get", "POST"), ("github", "post", "GET")])
def test_a_callback_by_the_wrong_method_is_no_crash(provider: str, method: str, allowed: str) -> None:
    answer = getattr(Client(), method)(f"/oauth/callback/{provider}", headers={"Accept": "application/json"})
    assert (answer.status_code, answer["Allow"]) == (405, allowed)
    assert answer.json()["details"]["reason"] == "method_not_allowed"


def test_a_callback_of_no_provider_is_told(ready: Api) -> None:
    answer = come_back("myspace", html=False, code="c")
    assert (answer.status_code, answer.json()["code"]) == (400, "ERR_OAUTH_UNSUPPORTED_PROVIDER")


def test_pages_are_kept_nowhere_and_tell_no_other_host(ready: Api) -> None:
    path = link(ready, providers=["google"])
    for page in (open_page(path), come_back(code="c", state="nonsense")):
        assert page["Cache-Control"] == "no-store"
        assert page["Referrer-Policy"] == "no-referrer"
        assert "default-src 'self'" in page["Content-Security-Policy"]


def test_the_token_of_a_link_is_in_no_log_line(ready: Api, caplog: pytest.LogCaptureFixture) -> None:
    path = link(ready, providers=["google"])
    open_page(path)
    come_back(code="the-code-of-it", state=choose(path)["state"])
    said = [str(vars(record)) for record in caplog.records if record.name == "integrationhub.access"]
    assert any("/connect/" in line for line in said)
    assert not any(path.rsplit("/", 1)[1] in line or "the-code-of-it" in line for line in said)
