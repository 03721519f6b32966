"""All eight rows of the table against a certified OpenID provider that we did not write: consent, exchange, profile,
refresh with rotation, reuse of an old refresh token, revocation."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from integrationhub.core.deadline import Deadline
from oauth import protocol, table
from oauth.errors import OAuthProfileFetchFailed, OAuthRefreshFailed, OAuthTokenExchangeFailed
from oauth.protocol import Tokens
from tests.oauth import browser
from tests.oauth.browser import Callback
from tests.oauth.peer import Peer, application

KEYS = list(table.providers())
EACH = pytest.mark.parametrize("key", KEYS)
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def clean() -> None:
    """Nothing here touches the database, so there is nothing to wipe."""


@dataclass
class Attempt:
    """One authorization, as a state row would remember it."""

    key: str
    redirect_uri: str = ""
    verifier: str = ""
    nonce: str = ""

    def __post_init__(self) -> None:
        self.redirect_uri = f"http://127.0.0.1:8000/oauth/callback/{self.key}"
        self.verifier, self.nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)

    def callback(self, **how: Any) -> Callback:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        url = protocol.authorization_url(
            table.get(self.key),
            application(self.key),
            redirect_uri=self.redirect_uri,
            state="the-state",
            scopes=(),
            nonce=self.nonce,
            code_challenge=base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        )
        return browser.visit(url, **how)

    def exchange(self, code: str, **over: Any) -> Tokens:
        known = {"code": code, "redirect_uri": self.redirect_uri, "code_verifier": self.verifier}
        provider, own = table.get(self.key), application(self.key)
        return protocol.exchange(provider, own, deadline=Deadline.after(10), **{**known, **over})

    def refresh(self, tokens: Tokens) -> Tokens:
        return protocol.refresh(table.get(self.key), application(self.key), tokens, Deadline.after(10))

    def profile(self, tokens: Tokens) -> protocol.Profile:
        provider, own = table.get(self.key), application(self.key)
        return protocol.profile(provider, own, tokens, deadline=Deadline.after(10))


@EACH
def test_an_account_is_connected_read_refreshed_and_let_go(key: str, openid: Peer) -> None:
    attempt, provider = Attempt(key), table.get(key)
    callback = attempt.callback(name="ada")
    assert (callback.method, callback.fields["state"]) == (provider.callback_method, "the-state")
    assert urlsplit(callback.url)._replace(query="").geturl() == attempt.redirect_uri
    protocol.check_issuer(provider, callback.fields["iss"])

    first = attempt.exchange(callback.fields["code"])
    assert first.scopes is not None
    assert "openid" in first.scopes
    assert (first.expires_in, first.refresh_token is None) == (3600, False)
    own, deadline = application(key), Deadline.after(10)
    claims = protocol.claims(provider, own, first.id_token or "", nonce=attempt.nonce, deadline=deadline)
    assert (claims["sub"], claims["aud"], claims["iss"]) == ("ada", own.client_id, openid.url)
    assert ("nonce" in claims) == provider.nonce
    profile = attempt.profile(first)
    assert (profile.id, profile.email, profile.email_verified) == ("ada", "ada@example.com", True)
    assert profile.name == "ada Lovelace"

    second = attempt.refresh(first)
    assert second.refresh_token not in (None, first.refresh_token)
    assert attempt.profile(second).id == "ada"
    third = attempt.refresh(second)
    protocol.revoke(provider, own, third, Deadline.after(10))
    with pytest.raises(OAuthRefreshFailed) as caught:
        attempt.refresh(third)
    assert (caught.value.needs_reauth, caught.value.reason) == (True, "grant_over")


@EACH
def test_an_old_refresh_token_that_comes_again_ends_the_grant(key: str, openid: Peer) -> None:
    """Why one worker alone may refresh: the winner's token dies with the loser's."""
    attempt = Attempt(key)
    first = attempt.exchange(attempt.callback().fields["code"])
    second = attempt.refresh(first)
    for tokens in (first, second):
        with pytest.raises(OAuthRefreshFailed) as caught:
            attempt.refresh(tokens)
        assert caught.value.needs_reauth
        assert caught.value.details["provider_error"]["code"] == "invalid_grant"


@EACH
def test_a_person_who_cancels_is_sent_back_with_the_error(key: str, openid: Peer) -> None:
    callback = Attempt(key).callback(is_willing=False)
    assert callback.method == table.get(key).callback_method
    assert callback.fields["error"] == "access_denied"
    assert (callback.fields["state"], callback.fields["iss"]) == ("the-state", openid.url)


@EACH
def test_a_code_serves_once_and_the_second_use_ends_what_the_first_gave(key: str, openid: Peer) -> None:
    attempt = Attempt(key)
    code = attempt.callback().fields["code"]
    tokens = attempt.exchange(code)
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        attempt.exchange(code)
    assert (caught.value.reason, caught.value.details["provider_error"]["code"]) == (
        "refused_by_provider",
        "invalid_grant",
    )
    with pytest.raises(OAuthProfileFetchFailed) as gone:
        attempt.profile(tokens)
    assert gone.value.details["provider_error"]["status"] == 401


@pytest.mark.parametrize("key", [key for key in KEYS if table.get(key).pkce])
def test_a_code_is_worth_nothing_without_its_verifier(key: str, openid: Peer) -> None:
    attempt = Attempt(key)
    for verifier in (secrets.token_urlsafe(48), None):
        with pytest.raises(OAuthTokenExchangeFailed) as caught:
            attempt.exchange(attempt.callback().fields["code"], code_verifier=verifier)
        assert caught.value.details["provider_error"]["code"] == "invalid_grant"


@EACH
def test_a_code_is_worth_nothing_at_another_redirect_uri(key: str, openid: Peer) -> None:
    attempt = Attempt(key)
    with pytest.raises(OAuthTokenExchangeFailed):
        attempt.exchange(attempt.callback().fields["code"], redirect_uri=f"{attempt.redirect_uri}/")


@EACH
def test_a_wrong_secret_is_the_applications_fault_and_ends_no_grant(key: str, openid: Peer) -> None:
    attempt, own = Attempt(key), application(key)
    tokens = attempt.exchange(attempt.callback().fields["code"])
    wrong = type(own)(own.client_id, "another-secret")
    with pytest.raises(OAuthRefreshFailed) as caught:
        protocol.refresh(table.get(key), wrong, tokens, Deadline.after(10))
    assert (caught.value.reason, caught.value.needs_reauth) == ("client_refused", False)
    assert attempt.refresh(tokens).access_token


def test_an_id_token_proves_nothing_to_another_application_or_attempt(openid: Peer) -> None:
    attempt = Attempt("google")
    id_token = attempt.exchange(attempt.callback().fields["code"]).id_token or ""
    provider, deadline = table.get("google"), Deadline.after(10)
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        protocol.claims(provider, application("github"), id_token, nonce=attempt.nonce, deadline=deadline)
    assert caught.value.details["problem"] == "wrong_audience"
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        protocol.claims(provider, application("google"), id_token, nonce="another", deadline=deadline)
    assert caught.value.details["problem"] == "wrong_nonce"
