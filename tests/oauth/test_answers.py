"""What providers answer instead of tokens: each shape becomes the catalogue's error, in time, and tells no secret."""

import json
import time
import traceback
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from oauth import protocol, table
from oauth.application import Application
from oauth.errors import (
    OAuthFailed,
    OAuthRefreshFailed,
    OAuthRefreshNotSupported,
    OAuthRevocationFailed,
    OAuthTokenExchangeFailed,
)
from oauth.protocol import Tokens, asking
from tests.oauth.conftest import LayOver
from tests.oauth.standing_in import StandIn
from tests.oauth.test_requests import TOKEN_PLACES
from tests.providers.misbehaving import RESET, MisbehavingServer, answering

SECRETS = {
    "client_secret": "a-secret-of-the-client",
    "code": "a-code-of-a-callback",
    "code_verifier": "a-verifier-" + "v" * 40,
    "refresh_token": "a-refresh-token",
    "access_token": "an-access-token",
}
APPLICATION = Application("the-client", SECRETS["client_secret"])
OLD = Tokens(SECRETS["access_token"], SECRETS["refresh_token"], scopes=("email",), account_id="7")
GOOD = {"access_token": "new", "token_type": "bearer"}


@pytest.fixture(autouse=True)
def clean() -> None:
    """Nothing here touches the database, so there is nothing to wipe."""


def exchange(key: str = "google", seconds: float = 5) -> Tokens:
    return protocol.exchange(
        table.get(key),
        APPLICATION,
        code=SECRETS["code"],
        redirect_uri="https://hub.example/cb",
        code_verifier=SECRETS["code_verifier"],
        deadline=Deadline.after(seconds),
    )


def refresh(key: str = "google", tokens: Tokens = OLD, seconds: float = 5) -> Tokens:
    return protocol.refresh(table.get(key), APPLICATION, tokens, Deadline.after(seconds))


def revoke(key: str = "google", tokens: Tokens = OLD, seconds: float = 5) -> None:
    protocol.revoke(table.get(key), APPLICATION, tokens, Deadline.after(seconds))


ACTS = {"exchange": exchange, "refresh": refresh, "revoke": revoke}
# A whole answer, and the reason that exchange and refresh give.
TOO_LONG = b" " * (300 * 1024)
SHAPES: dict[str, tuple[bytes | None, str]] = {
    "302": (answering(302, b"", Location="http://127.0.0.1:9/steal"), "unexpected_redirect"),
    "307": (answering(307, b"", Location="http://127.0.0.1:9/steal"), "unexpected_redirect"),
    "a page": (answering(200, b"<!doctype html><title>Sign in</title>"), "unreadable_answer"),
    "a list": (answering(200, b"[]"), "unreadable_answer"),
    "a text": (answering(200, b'"new"'), "unreadable_answer"),
    "nothing": (answering(200, b""), "unreadable_answer"),
    "null": (answering(200, b"null"), "unreadable_answer"),
    "an empty object": (answering(200, b"{}"), "no_access_token"),
    "a token that is a number": (answering(200, b'{"access_token": 7}'), "no_access_token"),
    "an empty token": (answering(200, b'{"access_token": ""}'), "no_access_token"),
    "a token of two lines": (answering(200, b'{"access_token": "a\\r\\nX-Evil: 1"}'), "no_access_token"),
    "an empty list of tokens": (answering(200, b'{"data": []}'), "no_access_token"),
    "a list of another": (answering(200, b'{"data": [7]}'), "unreadable_answer"),
    "tokens with an error": (answering(200, b'{"access_token": "a", "error": "x"}'), "refused_by_provider"),
    "an error with 200": (answering(200, b'{"error": "bad_verification_code"}'), "refused_by_provider"),
    "an error as an object": (answering(400, b'{"error": {"message": "m", "code": 100}}'), "refused_by_provider"),
    "an error of Instagram": (answering(400, b'{"error_type": "O", "code": 400}'), "refused_by_provider"),
    "the same with 200": (answering(200, b'{"error_type": "O", "error_message": "m"}'), "refused_by_provider"),
    "an error as a form": (
        answering(200, b"error=bad_verification_code", Content_Type="application/x-www-form-urlencoded"),
        "refused_by_provider",
    ),
    "a form of anything": (
        answering(200, b"%00=%FF&x", Content_Type="application/x-www-form-urlencoded"),
        "unreadable_answer",
    ),
    "a refused client": (answering(401, b'{"error": "invalid_client"}'), "client_refused"),
    "401 and a page": (answering(401, b"<html>"), "client_refused"),
    "403 and a page": (answering(403, b"<html>"), "refused_by_provider"),
    "500 and a page": (answering(500, b"<html>"), "provider_unavailable"),
    "503 with tokens": (answering(503, json.dumps(GOOD).encode()), "provider_unavailable"),
    "500 and invalid_grant": (answering(500, b'{"error": "invalid_grant"}'), "provider_unavailable"),
    "429": (answering(429, b"{}", Retry_After="17"), "rate_limited"),
    "too much": (answering(200, TOO_LONG + b'{"access_token": "a"}'), "answer_too_large"),
    "100 MB": (answering(200, b"{", length=100 * 1024 * 1024), "answer_too_large"),
    "less than it said": (answering(200, b'{"access_token": "a"}', length=1000), "connection_lost"),
    "compressed": (answering(200, b"\x1f\x8b\x08", Content_Encoding="gzip"), "unreadable_answer"),
    "a nest": (answering(200, b'{"access_token":' + b"[" * 50_000), "unreadable_answer"),
    "half a pair": (answering(200, b'{"access_token": "\\ud800"}'), "no_access_token"),
    "an end": (b"", "connection_lost"),
    "a reset": (RESET, "connection_lost"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "unreadable_answer"),
    "silence": (None, "read_timeout"),
}
# What tells a revocation nothing bad: 200 with whatever.
FINE_FOR_REVOKING = {
    name for name, (_, reason) in SHAPES.items() if reason in ("no_access_token", "unreadable_answer")
} - {"compressed", "no HTTP"}


def failure(act: str, answer: bytes | None, lay_over: LayOver, key: str = "google") -> OAuthFailed:
    """The error of one of the three, with every provider's address at a server that answers so; checked for what holds
    of all: it comes in time, the server was asked once, and no secret is told."""
    seconds = 2 if answer is None else 5
    with MisbehavingServer(answer) as server:
        urls = f"token_url: '{server.base_url}', revocation: {{url: '{server.base_url}'}}"
        lay_over(f"{key}: {{{urls}}}")
        begun = time.monotonic()
        with pytest.raises(OAuthFailed) as caught:
            ACTS[act](key, seconds=seconds)
        assert time.monotonic() - begun < seconds + 3
        assert server.hits == 1
    error = caught.value
    assert_tells_no_secret(error)
    return error


def assert_tells_no_secret(error: OAuthFailed) -> None:
    told = "".join([repr(vars(error)), *traceback.format_exception(error)])
    assert [name for name, secret in SECRETS.items() if secret in told] == []


@pytest.mark.parametrize("name", SHAPES)
def test_no_exchange_is_made_of(name: str, lay_over: LayOver) -> None:
    answer, reason = SHAPES[name]
    error = failure("exchange", answer, lay_over)
    assert (type(error), error.reason) == (OAuthTokenExchangeFailed, reason)


@pytest.mark.parametrize("name", SHAPES)
def test_no_refresh_is_made_of(name: str, lay_over: LayOver) -> None:
    answer, reason = SHAPES[name]
    error = failure("refresh", answer, lay_over)
    assert isinstance(error, OAuthRefreshFailed)
    assert (error.reason, error.needs_reauth) == (reason, False)
    assert error.is_retryable == (reason not in ("refused_by_provider", "client_refused"))
    assert error.retry_after == (17 if name == "429" else None)


@pytest.mark.parametrize("name", sorted(SHAPES.keys() - FINE_FOR_REVOKING))
def test_no_revocation_is_made_of(name: str, lay_over: LayOver) -> None:
    answer, reason = SHAPES[name]
    error = failure("revoke", answer, lay_over)
    assert (type(error), error.reason) == (OAuthRevocationFailed, reason)


@pytest.mark.parametrize("act", ACTS)
def test_a_provider_that_is_not_there_is_told_as_such(act: str, lay_over: LayOver) -> None:
    place = "http://127.0.0.1:9/"
    lay_over(f"google: {{token_url: '{place}', revocation: {{url: '{place}'}}}}")
    with pytest.raises(OAuthFailed) as caught:
        ACTS[act]()
    assert caught.value.reason == "refused"


def test_no_private_address_is_dialled_that_is_not_opened(lay_over: LayOver, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    asking.client.cache_clear()
    with MisbehavingServer(answering(200, json.dumps(GOOD).encode())) as server:
        lay_over(f"google: {{token_url: '{server.base_url}'}}")
        with pytest.raises(OAuthTokenExchangeFailed):
            exchange()
        assert server.hits == 0


# --- Times and scopes ---

TIMES = [(None, None), (3600, 3600), ("3600", 3600), (3600.0, 3600), (0, 0), (315360000, 315360000)]
NO_TIMES = [-1, 1e99, "abc", "-5", "1e5", "", True, [], {}, 10**20, 1.5, "\uff19", 315360001]


@pytest.mark.parametrize(("said", "seconds"), TIMES)
def test_a_time_is_read(said: Any, seconds: int | None, stand_in: StandIn) -> None:
    stand_in.answer(f"POST {TOKEN_PLACES['google']}", {**GOOD, "expires_in": said, "refresh_token_expires_in": said})
    tokens = exchange()
    assert (tokens.expires_in, tokens.refresh_expires_in) == (seconds, seconds)


@pytest.mark.parametrize("said", NO_TIMES)
def test_what_is_no_time_is_no_grant(said: Any, stand_in: StandIn) -> None:
    stand_in.answer(f"POST {TOKEN_PLACES['google']}", {**GOOD, "expires_in": said})
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        exchange()
    assert caught.value.reason == "invalid_expires_in"


SCOPES = [
    ("openid email", ("openid", "email")),
    ("repo,gist", ("repo", "gist")),
    ("repo, gist", ("repo", "gist")),
    (["a", "b", 7], ("a", "b")),
    ("", ()),
    (None, None),
    (7, None),
]


@pytest.mark.parametrize(("said", "granted"), SCOPES)
def test_what_was_granted_is_told(said: Any, granted: tuple[str, ...] | None, stand_in: StandIn) -> None:
    stand_in.answer(f"POST {TOKEN_PLACES['google']}", {**GOOD, "scope": said})
    assert exchange().scopes == granted


def test_github_may_answer_as_a_form(stand_in: StandIn) -> None:
    body = b"access_token=gho_1&scope=repo%2Cgist&token_type=bearer"
    stand_in.answer(f"POST {TOKEN_PLACES['github']}", body, Content_Type="application/x-www-form-urlencoded")
    assert exchange("github") == Tokens("gho_1", scopes=("repo", "gist"))


def test_no_text_made_of_tokens_shows_one() -> None:
    assert "hidden-" not in repr(Tokens("hidden-1", "hidden-2", "hidden-3", ("s",), 1, 2, "7"))
    assert "secret-" not in repr(Application("id", "secret-1", private_key="secret-2"))


# --- Refreshing ---


def test_an_answer_without_a_refresh_token_keeps_the_old_one(stand_in: StandIn) -> None:
    stand_in.answer(f"POST {TOKEN_PLACES['google']}", {**GOOD, "expires_in": 3599})
    expected = Tokens("new", SECRETS["refresh_token"], scopes=("email",), expires_in=3599, account_id="7")
    assert refresh() == expected


OVER = [
    ("google", 400, {"error": "invalid_grant"}),
    ("microsoft", 400, {"error": "interaction_required"}),
    ("microsoft", 400, {"error": "consent_required"}),
    ("linkedin", 400, {"error": "invalid_request"}),
    ("twitter", 400, {"error": "invalid_request"}),
    ("facebook", 400, {"error": {"code": 190, "error_subcode": 460, "message": "changed"}}),
    ("facebook", 401, {"error": {"code": 102, "message": "session"}}),
    ("github", 200, {"error": "bad_refresh_token"}),
]


@pytest.mark.parametrize(("key", "status", "said"), OVER)
def test_a_grant_that_is_over_needs_its_owner(key: str, status: int, said: Any, stand_in: StandIn) -> None:
    for method in ("POST", "GET"):
        stand_in.answer(f"{method} {TOKEN_PLACES[key]}", said, status=status)
    with pytest.raises(OAuthRefreshFailed) as caught:
        refresh(key)
    error = caught.value
    assert (error.reason, error.needs_reauth, error.is_retryable) == ("grant_over", True, False)


def test_a_secret_that_is_a_part_of_a_code_does_not_hide_what_it_means(stand_in: StandIn) -> None:
    stand_in.answer(f"POST {TOKEN_PLACES['google']}", {"error": "invalid_grant"}, status=400)
    with pytest.raises(OAuthRefreshFailed) as caught:
        protocol.refresh(table.get("google"), Application("id", "grant"), OLD, Deadline.after(5))
    assert (caught.value.needs_reauth, "grant)" in caught.value.message) == (True, False)


NOT_OVER = [
    ("google", 503, {"error": "invalid_grant"}, "provider_unavailable", True),
    ("google", 429, {"error": "invalid_grant"}, "rate_limited", True),
    ("google", 400, {"error": "invalid_scope"}, "refused_by_provider", False),
    ("twitter", 401, {"error": "unauthorized_client"}, "client_refused", False),
    ("github", 200, {"error": "incorrect_client_credentials"}, "client_refused", False),
    ("facebook", 400, {"error": {"code": 4, "message": "too many"}}, "rate_limited", True),
    ("facebook", 400, {"error": {"code": 1, "message": "?"}}, "refused_by_provider", False),
]


@pytest.mark.parametrize(("key", "status", "said", "reason", "may_pass"), NOT_OVER)
def test_another_failure_leaves_the_grant_as_it_is(
    key: str, status: int, said: Any, reason: str, may_pass: bool, stand_in: StandIn
) -> None:
    for method in ("POST", "GET"):
        stand_in.answer(f"{method} {TOKEN_PLACES[key]}", said, status=status)
    with pytest.raises(OAuthRefreshFailed) as caught:
        refresh(key)
    error = caught.value
    assert (error.reason, error.needs_reauth, error.is_retryable) == (reason, False, may_pass)


def test_without_a_refresh_token_only_the_owner_can_help(stand_in: StandIn) -> None:
    with pytest.raises(OAuthRefreshFailed) as caught:
        refresh("google", Tokens("old"))
    assert (caught.value.reason, caught.value.needs_reauth) == ("no_refresh_token", True)
    assert stand_in.asked == []


@pytest.mark.parametrize("key", ["apple", "instagram"])
def test_apple_and_instagram_are_never_asked_to_refresh(key: str, stand_in: StandIn) -> None:
    with pytest.raises(OAuthRefreshNotSupported):
        refresh(key)
    assert stand_in.asked == []


# --- Revoking ---


@pytest.mark.parametrize("key", ["microsoft", "instagram"])
def test_what_cannot_be_revoked_is_told_so(key: str, stand_in: StandIn) -> None:
    with pytest.raises(OAuthRevocationFailed) as caught:
        revoke(key)
    assert (caught.value.reason, caught.value.is_retryable) == ("not_supported_by_provider", False)
    assert stand_in.asked == []


def test_a_token_that_was_dead_before_is_revoked(stand_in: StandIn) -> None:
    stand_in.answer("POST oauth2.googleapis.com/revoke", {"error": "invalid_token"}, status=400)
    revoke()
    stand_in.answer("POST oauth2.googleapis.com/revoke", {"error": "invalid_request"}, status=400)
    with pytest.raises(OAuthRevocationFailed):
        revoke()


NO_REVOCATIONS = [
    ("facebook", "DELETE graph.facebook.com/v24.0/me/permissions", 200, b"false"),
    ("facebook", "DELETE graph.facebook.com/v24.0/me/permissions", 200, b""),
    ("facebook", "DELETE graph.facebook.com/v24.0/me/permissions", 200, b"{}"),
    ("facebook", "DELETE graph.facebook.com/v24.0/me/permissions", 200, b'{"success": false}'),
    ("twitter", "POST api.x.com/2/oauth2/revoke", 200, b'{"revoked": false}'),
    ("github", "DELETE api.github.com/applications/the-client/token", 404, b'{"message": "Not Found"}'),
    ("github", "DELETE api.github.com/applications/the-client/token", 200, b"{}"),
]


@pytest.mark.parametrize(("key", "place", "status", "body"), NO_REVOCATIONS)
def test_an_answer_that_does_not_say_done_is_no_revocation(
    key: str, place: str, status: int, body: bytes, stand_in: StandIn
) -> None:
    stand_in.answer(place, body, status=status)
    with pytest.raises(OAuthRevocationFailed):
        revoke(key)


def test_the_failure_of_one_token_keeps_no_other_from_being_revoked(stand_in: StandIn) -> None:
    stand_in.answer("POST api.x.com/2/oauth2/revoke", {"error": "server_error"}, status=500)
    with pytest.raises(OAuthRevocationFailed):
        revoke("twitter")
    assert [asked.form["token"] for asked in stand_in.asked] == [SECRETS["refresh_token"], SECRETS["access_token"]]


def test_without_any_token_there_is_nothing_to_revoke(stand_in: StandIn) -> None:
    with pytest.raises(OAuthRevocationFailed) as caught:
        revoke("google", Tokens(""))
    assert caught.value.reason == "no_token"


# --- The provider's own words ---


@pytest.mark.parametrize("act", ACTS)
def test_a_provider_that_repeats_our_secrets_is_not_quoted_with_them(act: str, stand_in: StandIn) -> None:
    words = " ".join(SECRETS.values()) + " at https://id.example/?token=abc"
    said = {"error": words, "error_description": words, "error_codes": [words], "trace_id": words}
    for place in (TOKEN_PLACES["google"], "oauth2.googleapis.com/revoke"):
        stand_in.answer(f"POST {place}", said, status=400)
    with pytest.raises(OAuthFailed) as caught:
        ACTS[act]()
    # Each was told those of the secrets that it was sent.
    sent = "".join(asked.body.decode() for asked in stand_in.asked)
    told = repr(vars(caught.value))
    assert [name for name, secret in SECRETS.items() if secret in sent and secret in told] == []
    assert "id.example" not in told


def test_words_are_cut_and_put_on_one_line(stand_in: StandIn) -> None:
    said = {"error": "e" * 500, "error_description": "one\r\ntwo\x00\x1b[31m " + "long " * 200, "error_codes": [50126]}
    stand_in.answer(f"POST {TOKEN_PLACES['google']}", said, status=400)
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        exchange()
    told = caught.value.details["provider_error"]
    assert told["message"].startswith("one two")
    assert told["message"].isprintable()
    assert (len(told["message"]), len(told["code"])) == (400, 100)
    assert told["error_codes"] == ["50126"]
