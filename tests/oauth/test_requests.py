"""How each provider wants to be asked: method, path, authentication, body and headers, as a server of ours sees it."""

import hashlib
import hmac
import time
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwk, jwt

from integrationhub.core.deadline import Deadline
from oauth import protocol, table
from oauth.application import Application
from oauth.errors import OAuthTokenExchangeFailed
from oauth.protocol import Tokens
from tests.oauth.standing_in import StandIn

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
APPLICATION = Application(
    "app:1+2", "s%cret:with+odd&parts", team_id="TEAM567890", key_id="KEY4567890", private_key=PEM
)
REDIRECT = "https://hub.example/oauth/callback/x?a=1"
OLD = Tokens("old-access-token", "old-refresh-token")
TOKEN_PLACES = {
    "google": "oauth2.googleapis.com/token",
    "microsoft": "login.microsoftonline.com/common/oauth2/v2.0/token",
    "linkedin": "www.linkedin.com/oauth/v2/accessToken",
    "twitter": "api.x.com/2/oauth2/token",
    "apple": "appleid.apple.com/auth/token",
    "facebook": "graph.facebook.com/v24.0/oauth/access_token",
    "instagram": "api.instagram.com/oauth/access_token",
    "github": "github.com/login/oauth/access_token",
}


@pytest.fixture(autouse=True)
def clean() -> None:
    """Nothing here touches the database, so there is nothing to wipe."""


def exchange(key: str, code: str = "the-code") -> Tokens:
    return protocol.exchange(
        table.get(key),
        APPLICATION,
        code=code,
        redirect_uri=REDIRECT,
        code_verifier="the-verifier",
        deadline=Deadline.after(5),
    )


def refresh(key: str, tokens: Tokens = OLD) -> Tokens:
    return protocol.refresh(table.get(key), APPLICATION, tokens, Deadline.after(5))


def revoke(key: str, tokens: Tokens = OLD) -> None:
    protocol.revoke(table.get(key), APPLICATION, tokens, Deadline.after(5))


def assert_signed_by_apples_rules(secret: str) -> None:
    """As Apple would verify it, by a library that did not sign it: ES256, its key, team, client, and 5 minutes."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = jwt.decode(secret, jwk.ECKey.import_key(public), algorithms=["ES256"])
    assert token.header == {"alg": "ES256", "kid": "KEY4567890", "typ": "JWT"}
    claims = {name: token.claims[name] for name in ("iss", "sub", "aud")}
    assert claims == {"iss": "TEAM567890", "sub": "app:1+2", "aud": "https://appleid.apple.com"}
    assert token.claims["exp"] - token.claims["iat"] == 300
    assert abs(token.claims["iat"] - time.time()) < 5


def assert_proves_the_application(key: str, form: dict[str, str], headers: Any) -> dict[str, str]:
    """Checks how the application names itself, and gives the rest of the form."""
    if key == "twitter":
        login = b64decode(headers["authorization"].removeprefix("Basic ")).decode().split(":")
        # RFC 6749, section 2.3.1: each is form-encoded, so that one colon stands between them.
        assert [unquote_plus(part) for part in login] == [APPLICATION.client_id, APPLICATION.client_secret]
        assert not {"client_id", "client_secret"} & form.keys()
        return form
    assert "authorization" not in headers
    rest = dict(form)
    assert rest.pop("client_id") == APPLICATION.client_id
    secret = rest.pop("client_secret")
    if key == "apple":
        assert_signed_by_apples_rules(secret)
    else:
        assert secret == APPLICATION.client_secret
    return rest


# --- Authorizing ---

ASKED = {
    "google": {"access_type": "offline", "prompt": "consent", "scope": "openid email profile"},
    "microsoft": {"response_mode": "query", "scope": "openid profile email offline_access User.Read"},
    "linkedin": {"scope": "openid profile email"},
    "twitter": {"scope": "users.read tweet.read offline.access"},
    "apple": {"response_mode": "form_post", "scope": "name email"},
    "facebook": {"scope": "email,public_profile"},
    "instagram": {"scope": "instagram_business_basic"},
    "github": {"scope": "read:user user:email"},
}
WITH_PKCE, WITH_NONCE = {"google", "microsoft", "twitter", "github"}, {"google", "microsoft", "apple"}


def authorize(key: str, **over: Any) -> str:
    known = {"redirect_uri": REDIRECT, "state": "st", "scopes": (), "nonce": "no", "code_challenge": "ch"}
    return protocol.authorization_url(table.get(key), APPLICATION, **{**known, **over})


@pytest.mark.parametrize("key", ASKED)
def test_a_browser_is_sent_with_what_each_provider_takes(key: str) -> None:
    asked = parse_qs(urlsplit(authorize(key)).query)
    expected = {"response_type": "code", "client_id": "app:1+2", "redirect_uri": REDIRECT, "state": "st", **ASKED[key]}
    if key in WITH_PKCE:
        expected |= {"code_challenge": "ch", "code_challenge_method": "S256"}
    if key in WITH_NONCE:
        expected["nonce"] = "no"
    assert asked == {name: [value] for name, value in expected.items()}


def test_spaces_between_scopes_are_no_plus_signs() -> None:
    assert "scope=name%20email" in authorize("apple")


def test_scopes_are_the_callers_before_the_applications_before_the_tables() -> None:
    own = Application("id", "secret", scopes=("user",))
    for scopes, asked in (((), "user"), (("repo", "gist"), "repo gist")):
        url = protocol.authorization_url(
            table.get("github"), own, redirect_uri=REDIRECT, state="s", scopes=scopes, nonce=None, code_challenge=None
        )
        assert parse_qs(urlsplit(url).query)["scope"] == [asked]


def test_a_directory_is_one_segment_of_the_path_whatever_it_holds() -> None:
    odd = Application("id", "secret", directory="../../evil?x=/#")
    url = protocol.authorization_url(
        table.get("microsoft"), odd, redirect_uri=REDIRECT, state="s", scopes=(), nonce=None, code_challenge=None
    )
    assert url.startswith("https://login.microsoftonline.com/..%2F..%2Fevil%3Fx%3D%2F%23/oauth2/v2.0/authorize?")


ISSUERS = [
    ("github", None, True),
    ("github", "https://github.com/login/oauth", True),
    ("github", "https://github.com/login/oauth/", False),
    ("github", "", False),
    ("google", "https://github.com/login/oauth", False),
    ("microsoft", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", True),
    ("microsoft", "https://login.microsoftonline.com/evil.example/v2.0", False),
    ("microsoft", "https://login.microsoftonline.com/{tid}/v2.0", False),
    ("twitter", "https://anything.example", True),
]


@pytest.mark.parametrize(("key", "iss", "is_right"), ISSUERS)
def test_a_callback_of_another_issuer_is_refused(key: str, iss: str | None, is_right: bool) -> None:
    if is_right:
        protocol.check_issuer(table.get(key), iss)
        return
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        protocol.check_issuer(table.get(key), iss)
    assert caught.value.reason == "issuer_mismatch"


# --- Exchanging ---


@pytest.mark.parametrize("key", TOKEN_PLACES)
def test_a_code_is_sent_as_each_provider_wants_it(key: str, stand_in: StandIn) -> None:
    stand_in.answer(f"POST {TOKEN_PLACES[key]}", {"access_token": "short"})
    for place in ("graph.facebook.com/v24.0/oauth/access_token", "graph.instagram.com/access_token"):
        stand_in.answer(f"GET {place}", {"access_token": "long", "expires_in": 5184000})
    tokens = exchange(key)
    first = stand_in.asked[0]
    assert (first.method, first.path, first.query) == ("POST", TOKEN_PLACES[key], {})
    assert first.headers["accept"] == "application/json"
    assert first.headers["user-agent"] == "integration-hub"
    rest = assert_proves_the_application(key, first.form, first.headers)
    expected = {"grant_type": "authorization_code", "code": "the-code", "redirect_uri": REDIRECT}
    assert rest == ({**expected, "code_verifier": "the-verifier"} if key in WITH_PKCE else expected)
    is_meta = key in ("facebook", "instagram")
    assert (tokens.access_token, len(stand_in.asked)) == (("long", 2) if is_meta else ("short", 1))


def test_facebook_exchanges_twice(stand_in: StandIn) -> None:
    place = TOKEN_PLACES["facebook"]
    stand_in.answer(f"POST {place}", {"access_token": "short", "expires_in": 3600})
    stand_in.answer(f"GET {place}", {"access_token": "long", "token_type": "bearer"})
    assert exchange("facebook") == Tokens("long")
    assert stand_in.asked[1].query == {
        "grant_type": "fb_exchange_token",
        "client_id": APPLICATION.client_id,
        "client_secret": APPLICATION.client_secret,
        "fb_exchange_token": "short",
    }


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": "short", "user_id": 17841400000000000},
        {
            "data": [
                {"access_token": "short", "user_id": "17841400000000000", "permissions": "instagram_business_basic"}
            ]
        },
    ],
    ids=["flat", "in a list"],
)
def test_instagram_exchanges_twice_and_its_code_loses_its_tail(answer: Any, stand_in: StandIn) -> None:
    stand_in.answer(f"POST {TOKEN_PLACES['instagram']}", answer)
    stand_in.answer("GET graph.instagram.com/access_token", {"access_token": "long", "expires_in": 5183944})
    tokens = exchange("instagram", code="the-code#_")
    assert (tokens.access_token, tokens.expires_in, tokens.account_id) == ("long", 5183944, "17841400000000000")
    assert tokens.scopes == (("instagram_business_basic",) if "data" in answer else None)
    assert stand_in.asked[0].form["code"] == "the-code"
    assert stand_in.asked[1].query == {
        "grant_type": "ig_exchange_token",
        "client_secret": APPLICATION.client_secret,
        "access_token": "short",
    }


@pytest.mark.parametrize("key", ["facebook", "instagram"])
def test_a_short_token_is_not_kept_when_the_second_exchange_fails(key: str, stand_in: StandIn) -> None:
    stand_in.answer(f"POST {TOKEN_PLACES[key]}", {"access_token": "short"})
    error = {"error": {"message": "no short please", "code": 1, "fbtrace_id": "AbC"}}
    for place in ("graph.facebook.com/v24.0/oauth/access_token", "graph.instagram.com/access_token"):
        stand_in.answer(f"GET {place}", error, status=500)
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        exchange(key)
    assert len(stand_in.asked) == 2
    told = caught.value.details["provider_error"]
    assert told == {"status": 500, "code": "1", "message": "no [hidden] please", "fbtrace_id": "AbC"}


def test_microsoft_is_asked_in_the_directory_of_the_application(stand_in: StandIn) -> None:
    own = Application("id", "secret", directory="organizations")
    stand_in.answer("POST login.microsoftonline.com/organizations/oauth2/v2.0/token", {"access_token": "a"})
    provider, deadline = table.get("microsoft"), Deadline.after(5)
    protocol.exchange(provider, own, code="c", redirect_uri=REDIRECT, code_verifier=None, deadline=deadline)
    assert "code_verifier" not in stand_in.only.form


def test_a_key_of_apples_that_signs_nothing_is_named_and_not_shown(stand_in: StandIn) -> None:
    broken = Application("id", team_id="T", key_id="K", private_key="-----BEGIN PRIVATE KEY-----\nhunter2\n")
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        protocol.exchange(
            table.get("apple"),
            broken,
            code="c",
            redirect_uri=REDIRECT,
            code_verifier=None,
            deadline=Deadline.after(5),
        )
    assert caught.value.reason == "unusable_private_key"
    assert "hunter2" not in repr(vars(caught.value))
    assert stand_in.asked == []


# --- Refreshing ---


@pytest.mark.parametrize("key", ["google", "microsoft", "linkedin", "twitter", "github"])
def test_a_refresh_token_is_sent_as_each_provider_wants_it(key: str, stand_in: StandIn) -> None:
    stand_in.answer(f"POST {TOKEN_PLACES[key]}", {"access_token": "new", "refresh_token": "newer", "expires_in": 60})
    assert refresh(key) == Tokens("new", "newer", expires_in=60)
    rest = assert_proves_the_application(key, stand_in.only.form, stand_in.only.headers)
    assert rest == {"grant_type": "refresh_token", "refresh_token": "old-refresh-token"}


def test_facebook_exchanges_the_access_token_again(stand_in: StandIn) -> None:
    stand_in.answer(f"GET {TOKEN_PLACES['facebook']}", {"access_token": "longer", "expires_in": 5184000})
    before = Tokens("long", scopes=("email",), account_id="7", expires_in=5)
    after = refresh("facebook", before)
    assert after == Tokens("longer", scopes=("email",), account_id="7", expires_in=5184000)
    assert stand_in.only.query["fb_exchange_token"] == "long"


# --- Revoking ---


def revoking(key: str, stand_in: StandIn, place: str, body: Any = b"", status: int = 200) -> list[Any]:
    stand_in.answer(place, body, status=status)
    revoke(key)
    assert set(stand_in.places) == {place}
    return stand_in.asked


def test_google_is_given_the_refresh_token_and_no_secret(stand_in: StandIn) -> None:
    [asked] = revoking("google", stand_in, "POST oauth2.googleapis.com/revoke")
    assert asked.form == {"token": "old-refresh-token"}
    assert "authorization" not in asked.headers


def test_linkedin_is_given_the_access_token_and_the_secret(stand_in: StandIn) -> None:
    [asked] = revoking("linkedin", stand_in, "POST www.linkedin.com/oauth/v2/revoke")
    assert assert_proves_the_application("linkedin", asked.form, asked.headers) == {"token": "old-access-token"}


def test_x_is_given_each_token_with_basic(stand_in: StandIn) -> None:
    asked = revoking("twitter", stand_in, "POST api.x.com/2/oauth2/revoke", {"revoked": True})
    forms = [assert_proves_the_application("twitter", each.form, each.headers) for each in asked]
    assert forms == [{"token": "old-refresh-token"}, {"token": "old-access-token"}]


def test_apple_is_given_the_refresh_token_with_a_hint(stand_in: StandIn) -> None:
    [asked] = revoking("apple", stand_in, "POST appleid.apple.com/auth/revoke")
    rest = assert_proves_the_application("apple", asked.form, asked.headers)
    assert rest == {"token": "old-refresh-token", "token_type_hint": "refresh_token"}


@pytest.mark.parametrize("answer", [b"true", {"success": True}])
def test_facebook_is_asked_to_delete_permissions_with_a_proof(answer: Any, stand_in: StandIn) -> None:
    [asked] = revoking("facebook", stand_in, "DELETE graph.facebook.com/v24.0/me/permissions", answer)
    secret = APPLICATION.client_secret.encode()
    proof = hmac.new(secret, b"old-access-token", hashlib.sha256).hexdigest()
    assert asked.query == {"access_token": "old-access-token", "appsecret_proof": proof}


def test_github_is_asked_to_delete_one_token(stand_in: StandIn) -> None:
    place = "DELETE api.github.com/applications/app%3A1%2B2/token"
    [asked] = revoking("github", stand_in, place, status=204)
    login = b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode()
    assert login == f"{APPLICATION.client_id}:{APPLICATION.client_secret}"
    assert asked.body == b'{"access_token": "old-access-token"}'
    assert asked.headers["accept"] == "application/vnd.github+json"
    assert asked.headers["x-github-api-version"] == "2022-11-28"
