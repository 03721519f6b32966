"""Whose account it is: each provider's own words become the same members, and tell no more than the provider did."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from oauth import protocol, table
from oauth.application import Application
from oauth.errors import OAuthProfileFetchFailed
from oauth.protocol import Profile, Tokens
from tests.oauth.standing_in import StandIn

APPLICATION = Application("1234567890", "the-secret-of-the-app")
TOKENS = Tokens("the-access-token", "the-refresh-token", scopes=("users.read", "users.email"))
PROOF = hmac.new(b"the-secret-of-the-app", b"the-access-token", hashlib.sha256).hexdigest()
PEOPLE = {
    "google": "openidconnect.googleapis.com/v1/userinfo",
    "microsoft": "graph.microsoft.com/v1.0/me",
    "linkedin": "api.linkedin.com/v2/userinfo",
    "twitter": "api.x.com/2/users/me",
    "facebook": "graph.facebook.com/v24.0/me",
    "instagram": "graph.instagram.com/me",
    "github": "api.github.com/user",
}
EMAILS = "GET api.github.com/user/emails"
X_FIELDS = "id,name,username,profile_image_url,verified,created_at"


@pytest.fixture(autouse=True)
def clean() -> None:
    """Nothing here touches the database, so there is nothing to wipe."""


def profile(key: str, tokens: Tokens = TOKENS, **how: Any) -> Profile:
    return protocol.profile(table.get(key), APPLICATION, tokens, deadline=Deadline.after(5), **how)


def told(key: str, stand_in: StandIn, said: Any, **how: Any) -> dict[str, Any]:
    """The profile without `raw`."""
    stand_in.answer(f"GET {PEOPLE[key]}", said)
    found = profile(key, **how).as_json()
    del found["raw"]
    return found


def failure(key: str, **how: Any) -> OAuthProfileFetchFailed:
    with pytest.raises(OAuthProfileFetchFailed) as caught:
        profile(key, **how)
    return caught.value


def nobody(**known: Any) -> dict[str, Any]:
    """A profile of which only this is known."""
    names = ("id", "email", "email_verified", "name", "given_name", "family_name", "avatar_url", "locale")
    return {**dict.fromkeys(names), **known}


ADA = {"name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace"}


def test_google(stand_in: StandIn) -> None:
    said = {"sub": "1", **ADA, "email": "ada@example.com", "email_verified": True, "picture": "https://p.example/a"}
    expected = {"email": "ada@example.com", "email_verified": True, **ADA, "avatar_url": "https://p.example/a"}
    assert told("google", stand_in, said) == nobody(id="1", **expected)
    assert stand_in.only.headers["authorization"] == "Bearer the-access-token"
    assert stand_in.only.query == {}


def test_microsoft_proves_no_email(stand_in: StandIn) -> None:
    said = {
        "id": "48d3",
        "displayName": "Ada Lovelace",
        "givenName": "Ada",
        "surname": "Lovelace",
        "mail": None,
        "userPrincipalName": "ada@contoso.example",
        "preferredLanguage": "en-GB",
        "email_verified": True,
    }
    expected = nobody(id="48d3", email="ada@contoso.example", **ADA, locale="en-GB")
    assert told("microsoft", stand_in, said) == expected
    assert stand_in.only.query["$select"].startswith("id,displayName,")


def test_linkedin_says_things_in_its_own_forms(stand_in: StandIn) -> None:
    locale = {"country": "GB", "language": "en"}
    said = {"sub": "x1", **ADA, "email": "ada@example.com", "email_verified": "true", "locale": locale}
    expected = nobody(id="x1", email="ada@example.com", email_verified=True, **ADA, locale="en_GB")
    assert told("linkedin", stand_in, said) == expected


def test_x_tells_an_email_to_those_who_were_granted_it(stand_in: StandIn) -> None:
    said = {"data": {"id": "9", "name": "Ada", "username": "ada", "confirmed_email": "ada@example.com"}}
    assert told("twitter", stand_in, said) == nobody(id="9", name="Ada", email="ada@example.com", email_verified=True)
    assert stand_in.only.query == {"user.fields": f"{X_FIELDS},confirmed_email"}


def test_x_is_asked_for_no_email_that_was_not_granted(stand_in: StandIn) -> None:
    said = {"data": {"id": "9", "name": "Ada"}}
    without = Tokens("the-access-token", scopes=("users.read",))
    assert told("twitter", stand_in, said, tokens=without) == nobody(id="9", name="Ada")
    assert stand_in.only.query == {"user.fields": X_FIELDS}


def test_facebook_is_shown_a_proof_of_the_secret(stand_in: StandIn) -> None:
    said = {"id": "5", "name": "Ada Lovelace", "first_name": "Ada", "last_name": "Lovelace", "email": "a@example.com"}
    said["picture"] = {"data": {"url": "https://p.example/a", "width": 200}}  # type: ignore[assignment]
    expected = {"email": "a@example.com", "email_verified": False, **ADA, "avatar_url": "https://p.example/a"}
    assert told("facebook", stand_in, said) == nobody(id="5", **expected)
    assert stand_in.only.headers["authorization"] == "Bearer the-access-token"
    assert stand_in.only.query["appsecret_proof"] == PROOF


def test_instagram_takes_the_token_in_the_query(stand_in: StandIn) -> None:
    said = {"user_id": 178, "id": "9", "username": "ada", "profile_picture_url": "https://p.example/a"}
    assert told("instagram", stand_in, said) == nobody(id="178", name="ada", avatar_url="https://p.example/a")
    assert stand_in.only.query["access_token"] == "the-access-token"
    assert "authorization" not in stand_in.only.headers


def test_github_is_asked_twice(stand_in: StandIn) -> None:
    listed = [
        {"email": "old@example.com", "primary": False, "verified": True},
        {"email": "ada@example.com", "primary": True, "verified": True},
    ]
    stand_in.answer(EMAILS, listed)
    said = {"id": 583231, "login": "ada", "name": None, "email": "shown@example.com", "avatar_url": "https://a.example"}
    expected = nobody(
        id="583231", name="ada", email="ada@example.com", email_verified=True, avatar_url="https://a.example"
    )
    assert told("github", stand_in, said) == expected
    for asked in stand_in.asked:
        assert asked.headers["user-agent"]
        assert asked.headers["accept"] == "application/vnd.github+json"
        assert asked.headers["x-github-api-version"] == "2022-11-28"
        assert asked.headers["authorization"] == "Bearer the-access-token"


@pytest.mark.parametrize(("status", "listed"), [(404, {"message": "Not Found"}), (403, {}), (200, []), (200, {})])
def test_github_may_keep_the_emails_to_itself(status: int, listed: Any, stand_in: StandIn) -> None:
    stand_in.answer(EMAILS, listed, status=status)
    said = {"id": 1, "login": "ada", "email": "shown@example.com"}
    assert told("github", stand_in, said) == nobody(id="1", name="ada", email="shown@example.com")


def test_github_failing_at_the_emails_is_no_profile_without_them(stand_in: StandIn) -> None:
    stand_in.answer(f"GET {PEOPLE['github']}", {"id": 1, "login": "ada"})
    stand_in.answer(EMAILS, b"<html>", status=502)
    error = failure("github")
    assert (error.reason, error.is_retryable) == ("provider_unavailable", True)


# --- Apple ---

CLAIMS = {"sub": "001.a", "email": "x@privaterelay.appleid.com", "email_verified": "true", "is_private_email": "true"}


def test_apples_is_made_of_its_claims_and_of_the_first_callback(stand_in: StandIn) -> None:
    user = json.dumps({"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "boss@example.com"})
    found = profile("apple", claims=CLAIMS, user_field=user)
    assert (found.id, found.email, found.email_verified) == ("001.a", CLAIMS["email"], True)
    assert (found.name, found.given_name, found.family_name) == ("Ada Lovelace", "Ada", "Lovelace")
    assert found.raw["is_private_email"] == "true"
    assert stand_in.asked == []


LONG_NAME = json.dumps({"name": {"firstName": "Ada", "lastName": "L" * 5000}})
USER_FIELDS = ["", "{", "[]", "7", '{"name": 7}', '{"name": {"firstName": ["Ada"]}}', "[" * 4000, LONG_NAME]


@pytest.mark.parametrize("user", [None, *USER_FIELDS], ids=lambda each: str(each)[:20])
def test_whatever_a_browser_posts_as_the_user_names_nobody(user: str | None, stand_in: StandIn) -> None:
    found = profile("apple", claims={**CLAIMS, "email_verified": False}, user_field=user)
    assert (found.id, found.name, found.email_verified) == ("001.a", None, False)


def test_apple_without_an_id_token_has_no_profile(stand_in: StandIn) -> None:
    assert failure("apple").reason == "apple_requires_id_token"


# --- Tokens that a caller brings ---

INSPECT = "GET graph.facebook.com/v24.0/debug_token"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"app_id": "666", "is_valid": True}, "token_of_another_application"),
        ({"app_id": "1234567890", "is_valid": False}, "token_not_valid"),
        ({"app_id": "1234567890"}, "token_not_valid"),
        (None, "token_not_valid"),
    ],
)
def test_a_token_that_was_made_for_another_application_tells_nothing(data: Any, reason: str, stand_in: StandIn) -> None:
    stand_in.answer(INSPECT, {"data": data})
    stand_in.answer(f"GET {PEOPLE['facebook']}", {"id": "5"})
    assert failure("facebook", is_posted=True).reason == reason
    assert stand_in.places == [INSPECT]


def test_a_token_that_was_made_for_this_application_is_used(stand_in: StandIn) -> None:
    stand_in.answer(INSPECT, {"data": {"app_id": 1234567890, "is_valid": True}})
    assert told("facebook", stand_in, {"id": "5"}, is_posted=True)["id"] == "5"
    assert stand_in.asked[0].query == {
        "input_token": "the-access-token",
        "access_token": "1234567890|the-secret-of-the-app",
    }


def test_a_posted_token_of_two_lines_is_not_sent(stand_in: StandIn) -> None:
    error = failure("google", tokens=Tokens("one\r\nX-Evil: 1"), is_posted=True)
    assert (error.reason, stand_in.asked) == ("invalid_request", [])


# --- What providers say instead ---

_NOT_VALID = "InvalidAuthenticationToken"
REFUSALS = [
    ("google", 401, {"error": {"code": 401, "message": "no"}}, "401", "token_refused"),
    ("microsoft", 401, {"error": {"code": _NOT_VALID, "message": "no"}}, _NOT_VALID, "token_refused"),
    ("linkedin", 401, {"status": 401, "code": "REVOKED_ACCESS_TOKEN"}, "REVOKED_ACCESS_TOKEN", "token_refused"),
    ("twitter", 403, {"title": "Forbidden", "type": "about:blank", "status": 403}, "Forbidden", "refused_by_provider"),
    ("twitter", 200, {"errors": [{"title": "Not Found Error"}]}, "Not Found Error", "refused_by_provider"),
    ("facebook", 400, {"error": {"code": 190, "message": "no", "error_subcode": 463}}, "190", "token_refused"),
    ("facebook", 400, {"error": {"code": 4, "message": "no"}}, "4", "rate_limited"),
    ("instagram", 400, {"error": {"code": 190, "message": "no"}}, "190", "token_refused"),
    ("github", 401, {"message": "Bad credentials", "documentation_url": "https://x.example"}, None, "token_refused"),
]


@pytest.mark.parametrize(("key", "status", "said", "code", "reason"), REFUSALS)
def test_a_refusal_is_told_in_the_providers_words(
    key: str, status: int, said: Any, code: str | None, reason: str, stand_in: StandIn
) -> None:
    stand_in.answer(f"GET {PEOPLE[key]}", said, status=status)
    error = failure(key)
    provider_error = error.details["provider_error"]
    assert (provider_error["status"], provider_error.get("code"), error.reason) == (status, code, reason)


@pytest.mark.parametrize("said", [{}, {"sub": ""}, {"sub": None}, {"sub": True}, {"sub": ["1"]}, {"sub": "7" * 300}])
def test_without_an_id_there_is_no_account(said: Any, stand_in: StandIn) -> None:
    stand_in.answer(f"GET {PEOPLE['google']}", said)
    assert failure("google").reason == "no_account_id"


@pytest.mark.parametrize(("status", "body"), [(200, b"[]"), (200, b"<html>"), (200, b""), (302, b"{}"), (500, b"{}")])
def test_what_is_no_profile_is_none(status: int, body: bytes, stand_in: StandIn) -> None:
    stand_in.answer(f"GET {PEOPLE['google']}", body, status=status, Location="http://127.0.0.1:9/")
    error = failure("google")
    assert error.reason in ("unreadable_answer", "unexpected_redirect", "provider_unavailable")
    assert error.is_retryable


# --- What is kept ---


def test_nothing_in_a_profile_breaks_a_page_or_a_row(stand_in: StandIn) -> None:
    said = {
        "sub": "1",
        "name": " Ada\x00\n\x1b[31m\u202e Love\ud800lace" + "x" * 1000,
        "picture": "javascript:alert(1)",
        "locale": 7.5,
        "email_verified": "perhaps",
        "odd\x00": "\ud800\x00",
    }
    found = told("google", stand_in, said)
    assert found["name"].startswith("Ada[31m Lovelacex")
    assert len(found["name"]) <= 500
    assert (found["avatar_url"], found["locale"], found["email_verified"]) == (None, None, None)
    raw = json.dumps(dict(profile("google").raw), ensure_ascii=False)
    raw.encode()
    assert "\\u0000" not in raw


def test_what_is_kept_holds_no_token_and_has_an_end(stand_in: StandIn) -> None:
    said = {
        "sub": "1",
        "access_token": "abc",
        "nested": [{"refresh_token": "def", "note": "it is the-access-token, and the-secret-of-the-app"}],
        "long": "x" * 40_000,
        "deep": json.loads("[" * 100 + "]" * 100),
        "last": "is kept",
    }
    stand_in.answer(f"GET {PEOPLE['google']}", said)
    raw = profile("google").raw
    text = json.dumps(raw)
    assert len(text) <= 32 * 1024
    assert not [word for word in ("abc", "def", "the-access-token", "the-secret", "xxxx") if word in text]
    assert raw["last"] == "is kept"
    assert "[[[[[[[[[" not in text
