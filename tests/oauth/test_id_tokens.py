"""Who is let in by an id_token: a server of ours publishes the keys, and another library than the hub's signs."""

import base64
import hmac
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwk, jwt

from integrationhub.core.deadline import Deadline
from oauth import protocol, table
from oauth.application import Application
from oauth.errors import OAuthTokenExchangeFailed
from tests.oauth.standing_in import StandIn

APPLICATION = Application("the-client", "the-secret")
RSA = jwk.RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig", "alg": "RS256"})
EC = jwk.ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
OTHER = jwk.RSAKey.generate_key(2048, {"kid": "rsa"})
DIRECTORY, CONSUMERS = "72f988bf-86f1-41af-91ab-2d7cd011db47", "9188040d-6c67-4c5b-b112-36a304b66dad"
MICROSOFT = "https://login.microsoftonline.com/{}/v2.0"
PLACES = {
    "google": "www.googleapis.com/oauth2/v3/certs",
    "microsoft": "login.microsoftonline.com/common/discovery/v2.0/keys",
    "linkedin": "www.linkedin.com/oauth/openid/jwks",
    "apple": "appleid.apple.com/auth/keys",
}
ISSUERS = {
    "google": "https://accounts.google.com",
    "microsoft": MICROSOFT.format(DIRECTORY),
    "linkedin": "https://www.linkedin.com/oauth",
    "apple": "https://appleid.apple.com",
}


@pytest.fixture(autouse=True)
def clean() -> None:
    """Nothing here touches the database, so there is nothing to wipe."""


@pytest.fixture
def keys(stand_in: StandIn) -> Callable[..., None]:
    """Has all four publish the two keys, with `more` beside what they are."""

    def publish(**more: Any) -> None:
        rows = [{**key.as_dict(private=False), **more} for key in (RSA, EC)]
        for place in PLACES.values():
            stand_in.answer(f"GET {place}", {"keys": rows})

    publish()
    return publish


def said(key: str = "google", **over: Any) -> dict[str, Any]:
    """The claims of a good token; None takes one away. Times are told in seconds from now."""
    now = int(time.time())
    over |= {name: now + over[name] for name in ("exp", "iat") if isinstance(over.get(name), int)}
    known = {"iss": ISSUERS[key], "aud": "the-client", "sub": "7", "iat": now, "exp": now + 600, "nonce": "the-nonce"}
    tid = {"tid": DIRECTORY} if key == "microsoft" else {}
    return {name: value for name, value in {**known, **tid, **over}.items() if value is not None}


def signed(claims: dict[str, Any], key: Any = RSA, algorithm: str = "RS256", **header: Any) -> str:
    return jwt.encode({"alg": algorithm, "kid": key.kid, **header}, claims, key, algorithms=[algorithm])


def read(token: str, key: str = "google", nonce: str | None = "the-nonce", own: Application = APPLICATION) -> Any:
    return protocol.claims(table.get(key), own, token, nonce=nonce, deadline=Deadline.after(5))


def problem(token: str, key: str = "google", **how: Any) -> str:
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        read(token, key, **how)
    assert caught.value.reason == "id_token_invalid"
    assert token not in repr(vars(caught.value))
    return str(caught.value.details["problem"])


@pytest.mark.parametrize("key", PLACES)
@pytest.mark.parametrize(("signer", "algorithm"), [(RSA, "RS256"), (EC, "ES256")])
def test_a_good_one_is_read(key: str, signer: Any, algorithm: str, keys: Any) -> None:
    assert read(signed(said(key), signer, algorithm), key)["sub"] == "7"


def test_googles_other_spelling_of_itself_is_taken(keys: Any) -> None:
    assert read(signed(said(iss="accounts.google.com")))["sub"] == "7"


WRONG = [
    ({"iss": "https://evil.example"}, "wrong_issuer"),
    ({"iss": "https://accounts.google.com/"}, "wrong_issuer"),
    ({"iss": ["https://accounts.google.com"]}, "wrong_issuer"),
    ({"iss": None}, "missing_claim"),
    ({"aud": "another-client"}, "wrong_audience"),
    ({"aud": None}, "missing_claim"),
    ({"aud": ["the-client", "another"]}, "wrong_party"),
    ({"aud": ["the-client", "another"], "azp": "another"}, "wrong_party"),
    ({"azp": "another"}, "wrong_party"),
    ({"exp": -120}, "expired"),
    ({"exp": None}, "missing_claim"),
    ({"iat": 3600}, "not_yet_valid"),
    ({"iat": None}, "missing_claim"),
    ({"sub": None}, "missing_claim"),
    ({"sub": ""}, "missing_claim"),
    ({"sub": 7}, "malformed"),
    ({"nonce": "another"}, "wrong_nonce"),
    ({"nonce": None}, "wrong_nonce"),
    ({"nonce": ["the-nonce"]}, "wrong_nonce"),
    ({"exp": "soon"}, "malformed"),
]


@pytest.mark.parametrize(("over", "word"), WRONG, ids=lambda each: str(each))
def test_a_claim_that_is_wrong_keeps_it_out(over: dict[str, Any], word: str, keys: Any) -> None:
    assert problem(signed(said(**over))) == word


@pytest.mark.parametrize("over", [{"exp": -30}, {"iat": 30}, {"aud": ["the-client"]}, {"azp": "the-client"}])
def test_a_minute_of_difference_and_a_list_of_one_are_fine(over: dict[str, Any], keys: Any) -> None:
    assert read(signed(said(**over)))


def test_several_audiences_are_fine_where_we_are_the_party(keys: Any) -> None:
    assert read(signed(said(aud=["another", "the-client"], azp="the-client")))


def test_linkedin_repeats_no_nonce(keys: Any) -> None:
    assert read(signed(said("linkedin", nonce=None)), "linkedin")["sub"] == "7"


def test_a_token_that_a_caller_posts_has_no_nonce_of_ours(keys: Any) -> None:
    assert read(signed(said("apple", nonce="of another")), "apple", nonce=None)["sub"] == "7"


# --- Signatures ---


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def test_another_key_of_the_same_name_is_none(keys: Any) -> None:
    assert problem(signed(said(), OTHER)) == "bad_signature"


def test_a_public_key_is_no_shared_secret(keys: Any) -> None:
    """The oldest trick: the token says HS256, and is signed with what everybody can read."""
    head, body, _ = signed(said()).split(".")
    head = encoded(b'{"alg":"HS256","kid":"rsa"}')
    digest = hmac.digest(RSA.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    assert problem(f"{head}.{body}.{encoded(digest)}") == "wrong_algorithm"


@pytest.mark.parametrize("algorithm", ["RS384", "PS256"])
def test_a_key_signs_by_its_own_algorithm_alone(algorithm: str, keys: Any) -> None:
    free = jwk.RSAKey.import_key({**RSA.as_dict(private=True), "alg": algorithm})
    token = jwt.encode({"alg": algorithm, "kid": "rsa"}, said(), free, algorithms=[algorithm])
    assert problem(token) == "wrong_algorithm"


def test_an_unsigned_one_is_none(keys: Any) -> None:
    head, body, _ = signed(said()).split(".")
    assert problem(f"eyJhbGciOiJub25lIiwia2lkIjoicnNhIn0.{body}.") == "malformed"
    assert problem(f"{head}.{body}.AAAA") == "bad_signature"
    assert problem(f"eyJhbGciOiJub25lIiwia2lkIjoicnNhIn0.{body}.AAAA") == "wrong_algorithm"


MALFORMED = ["", "a.b.c", "a.b", "\0", "e30.e30.e30", "é.é.é", "eyJ" + "A" * 20_000 + ".e30.AAAA", "\ud800.a.b"]


@pytest.mark.parametrize("token", MALFORMED, ids=lambda each: ascii(each[:10]))
def test_what_is_no_token_is_none(token: str, keys: Any) -> None:
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        read(token)
    assert caught.value.details["problem"] in ("malformed", "unknown_key")


def test_a_deep_nest_is_no_token(keys: Any) -> None:
    assert problem(f"{encoded(b'[' * 9000)}.e30.AAAA") == "malformed"


@pytest.mark.parametrize("key", ["twitter", "facebook", "instagram", "github"])
def test_providers_without_id_tokens_have_none_read(key: str, stand_in: StandIn) -> None:
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        read("a.b.c", key)
    assert (caught.value.reason, stand_in.asked) == ("id_token_unsupported", [])


# --- Microsoft's directories ---


def of_directory(named: str, **over: Any) -> str:
    return signed(said("microsoft", **{"iss": MICROSOFT.format(named), "tid": named, **over}))


def test_an_issuer_is_the_directory_that_the_token_names(keys: Any) -> None:
    assert read(of_directory(CONSUMERS), "microsoft")["tid"] == CONSUMERS
    assert problem(of_directory(DIRECTORY, tid=CONSUMERS), "microsoft") == "wrong_issuer"
    assert problem(of_directory(DIRECTORY, tid=None), "microsoft") == "wrong_issuer"
    assert problem(of_directory("{tid}", tid="{tid}"), "microsoft") == "wrong_directory"
    assert problem(of_directory("evil/../x"), "microsoft") == "wrong_directory"


@pytest.mark.parametrize(
    ("directory", "tid", "is_in"),
    [
        ("organizations", DIRECTORY, True),
        ("organizations", CONSUMERS, False),
        ("consumers", CONSUMERS, True),
        ("consumers", DIRECTORY, False),
        (DIRECTORY, DIRECTORY, True),
        (DIRECTORY, CONSUMERS, False),
    ],
)
def test_only_accounts_of_the_applications_directory_are_let_in(
    directory: str, tid: str, is_in: bool, keys: Any
) -> None:
    own = Application("the-client", "s", directory=directory)
    if is_in:
        assert read(of_directory(tid), "microsoft", own=own)
    else:
        assert problem(of_directory(tid), "microsoft", own=own) == "wrong_directory"


def test_a_key_of_one_directory_signs_for_no_other(keys: Callable[..., None]) -> None:
    keys(issuer=MICROSOFT.format(CONSUMERS))
    assert problem(of_directory(DIRECTORY), "microsoft") == "wrong_issuer"
    assert read(of_directory(CONSUMERS), "microsoft")


def test_a_key_of_all_directories_signs_for_each(keys: Callable[..., None]) -> None:
    keys(issuer=MICROSOFT.format("{tenantid}"))
    assert read(of_directory(DIRECTORY), "microsoft")


# --- The key set ---


def test_the_keys_are_fetched_once(keys: Any, stand_in: StandIn) -> None:
    for _ in range(3):
        read(signed(said()))
    assert stand_in.places == [f"GET {PLACES['google']}"]


def test_made_up_key_ids_do_not_flood_the_provider(keys: Any, stand_in: StandIn) -> None:
    for number in range(5):
        assert problem(signed(said(), kid=f"made-up-{number}")) == "unknown_key"
    assert len(stand_in.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"keys": 7}', b'{"keys": [7, {"kty": "RSA", "n": 1}]}'])
def test_without_keys_nobody_is_let_in_and_it_is_told_when_there_may_be_some(body: bytes, stand_in: StandIn) -> None:
    stand_in.answer(f"GET {PLACES['google']}", body)
    with pytest.raises(OAuthTokenExchangeFailed) as caught:
        read(signed(said()))
    error = caught.value
    assert (error.reason, 0 < (error.retry_after or 0) <= 30) == ("keys_unavailable", True)
