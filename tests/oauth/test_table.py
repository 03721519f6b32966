"""The eight services as data, and what a deployment lays over them."""

import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from integrationhub.core.checks import refuse_unsafe
from oauth import adapters, table
from oauth.errors import OAuthUnsupportedProvider
from providers import registry
from tests.make import Api
from tests.oauth.conftest import LayOver
from tests.oauth.test_requests import PEM

KEYS = ["google", "microsoft", "linkedin", "twitter", "apple", "facebook", "instagram", "github"]


def test_there_are_eight_and_each_has_its_adapter() -> None:
    assert list(table.providers()) == KEYS
    for key, provider in table.providers().items():
        assert (provider.key, provider.display_name) == (key, registry.get(key).display_name)
        assert registry.get(key).intents == frozenset()


def test_an_unknown_provider_is_told_what_there_is() -> None:
    with pytest.raises(OAuthUnsupportedProvider) as caught:
        table.get("Google")
    assert caught.value.details == {"provider": "Google", "supported_providers": KEYS}


def test_what_the_table_says_of_each_is_what_the_contract_wants() -> None:
    rows = table.providers()
    assert {key for key, row in rows.items() if not row.is_refreshable} == {"apple", "instagram"}
    assert {key for key, row in rows.items() if not row.is_revocable} == {"microsoft", "instagram"}
    assert {key for key, row in rows.items() if row.pkce} == {"google", "microsoft", "twitter", "github"}
    assert {key for key, row in rows.items() if row.nonce} == {"google", "microsoft", "apple"}
    assert {key for key, row in rows.items() if row.callback_method == "POST"} == {"apple"}
    assert {key for key, row in rows.items() if row.jwks_url} == {"google", "microsoft", "linkedin", "apple"}


def test_no_row_can_be_changed() -> None:
    with pytest.raises(TypeError):
        table.providers()["google"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        table.get("google").token_url = "https://elsewhere.example"  # type: ignore[misc]
    with pytest.raises(TypeError):
        table.get("google").authorize_params["prompt"] = "none"  # type: ignore[index]


def test_a_file_changes_the_members_that_it_names_and_no_others(lay_over: LayOver) -> None:
    before = table.get("facebook")
    lay_over("facebook: {version: v99.0, profile: {members: {name: [nick]}}}\ntwitter: {default_scopes: [users.read]}")
    after = table.get("facebook")
    assert after.token_url == "https://graph.facebook.com/v99.0/oauth/access_token"
    assert after.profile.members == {**before.profile.members, "name": ("nick",)}
    assert after.client_auth == before.client_auth
    assert table.get("twitter").default_scopes == ("users.read",)
    assert table.get("google").token_url == "https://oauth2.googleapis.com/token"


FAULTS = {
    "unknown provider": ("gogle: {token_url: 'https://x.example'}", "gogle, which is none of google, microsoft"),
    "unknown member": ("google: {tokenurl: 'https://x.example'}", "google.tokenurl: unknown_member"),
    "unknown member below": ("google: {profile: {urls: a}}", "google.profile.urls: unknown_member"),
    "no address": ("google: {token_url: 'ftp://x.example'}", "google.token_url: wrong_form, expected an https://"),
    "a user name": ("google: {token_url: 'https://a@x.example/'}", "google.token_url: wrong_form"),
    "another kind": ("google: {pkce: 'yes'}", "google.pkce: wrong_type, expected boolean"),
    "no member left": ("google: {token_url: null}", "google.token_url"),
    "no object": ("google: 7", "google: wrong_type, expected object"),
    "a list": ("[google]", "holds no providers"),
    "nothing": ("", "holds no providers"),
    "no YAML": ("google: {", "is no YAML"),
    "a Python object": ("!!python/object/apply:os.system [id]", "is no YAML"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_file_is_named(name: str, lay_over: LayOver, settings: Any) -> None:
    text, words = FAULTS[name]
    lay_over(text)
    with pytest.raises(ImproperlyConfigured, match="OAUTH_PROVIDERS_FILE") as caught:
        table.providers()
    assert words in str(caught.value)
    settings.DEBUG = False
    with pytest.raises(ImproperlyConfigured, match=r"(?s)The hub does not start.*OAUTH_PROVIDERS_FILE"):
        refuse_unsafe()


def test_plain_http_leads_only_into_networks_that_are_opened(lay_over: LayOver, settings: Any) -> None:
    lay_over("google: {profile: {url: 'http://127.0.0.1:9/'}}")
    assert table.get("google").profile.url == "http://127.0.0.1:9/"
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    settings.DEBUG = False
    with pytest.raises(ImproperlyConfigured, match="leads google over plain http"):
        refuse_unsafe()


def test_a_file_that_is_not_there_is_a_fault_that_the_doctor_names(settings: Any) -> None:
    environment = {"OAUTH_PROVIDERS_FILE": "/nowhere/providers.yaml", "DEBUG": "true", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=settings.BASE_DIR, check=False)
    assert done.returncode == 1
    assert "The file of OAUTH_PROVIDERS_FILE cannot be read (FileNotFoundError)." in done.stderr


def test_they_are_listed_as_providers_of_identity_and_cannot_be_installed(api: Api) -> None:
    listed = api.get("/providers?category=identity&limit=100").json()["data"]
    assert {row["provider_key"] for row in listed} == set(KEYS)
    assert all(row["intents"] == [] and row["needs_credential"] for row in listed)
    shelf = {row["slug"] for row in api.get("/marketplace/integrations?limit=100").json()["data"]}
    assert "twilio_sms" in shelf
    assert not shelf & set(KEYS)
    assert api.post("/marketplace/integrations/google/install", {}).json()["code"].endswith("INTEGRATION_NOT_FOUND")


def test_a_tenant_binds_its_application_at_a_provider(api: Api) -> None:
    uris = ["https://app.example.com/callback", "http://127.0.0.1:3000/cb"]
    secrets = {"client_id": "id", "client_secret": "a-secret", "redirect_uris": uris}
    answer = api.post("/credentials/bind", {"provider_key": "google", "credentials": secrets})
    assert answer.status_code == 201, answer.content
    assert "a-secret" not in answer.content.decode()


def test_a_private_key_that_signs_nothing_for_apple_is_not_bound(api: Api) -> None:
    def bind(private_key: str) -> Any:
        secrets = {"client_id": "id", "team_id": "TEAM567890", "key_id": "KEY4567890", "private_key": private_key}
        return api.post("/credentials/bind", {"provider_key": "apple", "credentials": secrets})

    wrong = bind("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----")
    assert (wrong.status_code, wrong.json()["details"]["upstreamReason"]) == (400, "unusable_private_key")
    assert "hunter2" not in wrong.content.decode()
    assert bind(PEM).status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uris": ["http://app.example.com/callback"]},
        {"redirect_uris": ["https://app.example.com/#fragment"]},
        {"redirect_uris": ["https://app@evil.example/"]},
        {"redirect_uris": ["http://127.0.0.1.evil.example/"]},
        {"return_origins": ["https://app.example.com/"]},
        {"scopes": ["openid email"]},
        {"token_url": "https://evil.example"},
        {"directory": "common"},
        {"client_secret": ""},
    ],
    ids=lambda wrong: str(next(iter(wrong.values())))[:40],
)
def test_an_application_that_cannot_be_is_not_bound(api: Api, wrong: dict[str, Any]) -> None:
    secrets = {"client_id": "id", "client_secret": "a-secret", **wrong}
    answer = api.post("/credentials/bind", {"provider_key": "google", "credentials": secrets})
    assert answer.status_code == 400, answer.content


def test_the_adapters_are_of_the_table_alone() -> None:
    assert {each.key for each in vars(adapters).values() if getattr(each, "key", None)} == set(KEYS)
