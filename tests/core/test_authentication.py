"""Only a token that says exactly what it should lets a caller in; every other one is 401 with its reason."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings as configured

from integrationhub.core import signing_keys
from integrationhub.core.catalogue import UNAUTHORIZED
from tests.core.envelopes import assert_envelope
from tests.make import Api, claims, token


def answer(api: Api, authorization: str | None) -> Any:
    headers = {"x-tenant-id": str(api.tenant)} | ({"Authorization": authorization} if authorization is not None else {})
    return api.client.get("/integrationhub/v1/echo", headers=headers)


def refused(api: Api, authorization: str | None, reason: str) -> None:
    response = answer(api, authorization)
    body = assert_envelope(response, 401, reason)
    assert body["code"] == UNAUTHORIZED.code
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def signed(payload: dict[str, Any], **header: Any) -> str:
    return jwt.encode(payload, configured.JWT_SECRET, algorithm="HS256", headers=header)


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_good_token_is_let_in_and_names_the_tenant(api: Api) -> None:
    response = answer(api, f"Bearer {token(api.tenant, 'user', 'unheard_of')}")
    assert response.json() == {"tenant_id": str(api.tenant), "version": "v1", "roles": ["user"]}


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_scheme_is_read_in_any_case(api: Api, scheme: str) -> None:
    assert answer(api, f"{scheme} {token(api.tenant)}").status_code == 200


@pytest.mark.parametrize("header", [None, "", "   ", "Basic dXNlcjpwYXNz", "Token abc", "Bearer"])
def test_no_token_is_401(api: Api, header: str | None) -> None:
    if header == "Bearer":
        refused(api, header, "malformed")
    else:
        refused(api, header, "missing_token")


@pytest.mark.parametrize(
    "value", ["x", "a.b", "a.b.c", "a.b.c.d", "..", "é.é.é", "a b.c.d", "null", "eyJhbGciOiJIUzI1NiJ9.e30.", "\x00.a.b"]
)
def test_what_is_no_token_is_malformed(api: Api, value: str) -> None:
    refused(api, f"Bearer {value}", "malformed")


def test_two_tokens_in_one_header_are_malformed(api: Api) -> None:
    refused(api, f"Bearer {token(api.tenant)}, Bearer {token(api.tenant)}", "malformed")


def test_token_of_nine_kilobytes_is_refused_unread(api: Api) -> None:
    refused(api, "Bearer " + token(api.tenant, padding="x" * 9_000), "token_too_long")


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "HS512", "RS256", ["HS256"], None, 1])
def test_other_algorithm_is_refused(api: Api, algorithm: Any) -> None:
    unsigned = f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{segment(claims(api.tenant))}.c2ln"
    response = answer(api, f"Bearer {unsigned}")
    assert assert_envelope(response, 401)["details"]["reason"] in ("wrong_algorithm", "malformed")


def test_signature_of_another_secret_or_over_other_claims_is_refused(api: Api) -> None:
    other = jwt.encode(claims(api.tenant), "x" * 40, algorithm="HS256")
    refused(api, f"Bearer {other}", "bad_signature")
    head, _, signature = token(api.tenant, "user").split(".")
    refused(api, f"Bearer {head}.{segment(claims(api.tenant, 'admin'))}.{signature}", "bad_signature")


HEADERS: list[dict[str, Any]] = [
    {"crit": ["exp"]},
    {"jku": "https://evil.example/keys"},
    {"jwk": {"kty": "oct", "k": "AAAA"}},
    {"x5u": "https://evil.example/cert"},
    {"x5c": ["MII"]},
    {"typ": "id+jwt"},
    {"typ": 7},
]


@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_header_that_asks_for_more_than_a_signature_is_refused(api: Api, header: dict[str, Any]) -> None:
    response = answer(api, f"Bearer {signed(claims(api.tenant), **header)}")
    assert assert_envelope(response, 401)["details"]["reason"] in ("refused_header", "malformed")


@pytest.mark.parametrize("kid", ["k2", "../../etc/passwd", "https://evil.example", "'; DROP TABLE", ""])
def test_key_id_that_we_do_not_know_is_refused(api: Api, kid: str) -> None:
    refused(api, f"Bearer {signed(claims(api.tenant), kid=kid)}", "unknown_key")


# In seconds from now.
TIMES = [
    ({"iat": -900, "exp": -31}, "expired"),
    ({"nbf": 90}, "not_yet_valid"),
    ({"iat": 90, "exp": 200}, "not_yet_valid"),
    ({"exp": 90_000}, "lives_too_long"),
    ({"exp": 0, "iat": 0}, "lives_too_long"),
]


@pytest.mark.parametrize(("over", "reason"), TIMES, ids=str)
def test_time_that_is_not_what_it_should_be_is_refused(api: Api, over: dict[str, int], reason: str) -> None:
    now = int(time.time())
    payload = claims(api.tenant, **{name: now + seconds for name, seconds in over.items()})
    refused(api, f"Bearer {signed(payload)}", reason)


@pytest.mark.parametrize("written", [str, lambda exp: exp + 0.5], ids=["text", "half a second"])
def test_time_that_is_no_whole_number_is_malformed(api: Api, written: Callable[[int], Any]) -> None:
    payload = json.dumps(claims(api.tenant, exp=written(int(time.time()) + 300))).encode()
    refused(
        api, "Bearer " + jwt.api_jws.encode(payload, configured.JWT_SECRET.encode(), algorithm="HS256"), "malformed"
    )


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": "somebody"}, "wrong_issuer"),
    ({"iss": ["tests"]}, "wrong_issuer"),
    ({"aud": "somebody"}, "wrong_audience"),
    ({"aud": ["hub-tests", "stranger"]}, "wrong_audience"),
    ({"aud": []}, "missing_claim"),
    ({"aud": [["hub-tests"]]}, "wrong_audience"),
    ({"exp": 1e308}, "malformed"),
    ({"exp": "9999999999"}, "malformed"),
    ({"exp": 9999999999.5}, "malformed"),
    ({"iat": True}, "malformed"),
    ({"exp": 10**400}, "lives_too_long"),
    ({"tenant_id": "x"}, "malformed"),
    ({"tenant_id": "00000000-0000-0000-0000-000000000000"}, "malformed"),
    ({"tenant_id": ["01900000-0000-7000-8000-000000000001"]}, "malformed"),
    ({"tenant_id": {"id": 1}}, "malformed"),
    ({"tenant_id": 7}, "malformed"),
    ({"sub": ""}, "malformed"),
    ({"sub": 7}, "malformed"),
    ({"sub": "s" * 256}, "malformed"),
    ({"sub": "nul\0"}, "malformed"),
    ({"sub": "lone \ud800"}, "malformed"),
    ({"roles": "admin"}, "malformed"),
    ({"roles": "xadminx"}, "malformed"),
    ({"roles": {"admin": True}}, "malformed"),
    ({"roles": ["admin", 7]}, "malformed"),
    ({"roles": [["admin"]]}, "malformed"),
]


@pytest.mark.parametrize(("over", "reason"), CLAIMS, ids=str)
def test_claim_that_is_not_what_it_should_be_is_refused(api: Api, over: dict[str, Any], reason: str) -> None:
    payload = json.dumps(claims(api.tenant, **over)).encode()
    refused(api, "Bearer " + jwt.api_jws.encode(payload, configured.JWT_SECRET.encode(), algorithm="HS256"), reason)


@pytest.mark.parametrize("name", ["sub", "tenant_id", "iss", "aud", "iat", "exp"])
def test_claim_that_is_missing_is_refused(api: Api, name: str) -> None:
    payload = claims(api.tenant)
    del payload[name]
    refused(api, f"Bearer {signed(payload)}", "missing_claim")


def test_payload_that_is_no_object_is_malformed(api: Api) -> None:
    key = configured.JWT_SECRET.encode()
    refused(api, "Bearer " + jwt.api_jws.encode(b'["x"]', key, algorithm="HS256"), "malformed")
    refused(api, "Bearer " + jwt.api_jws.encode(b"[" * 4_000, key, algorithm="HS256"), "malformed")


def test_clock_may_differ_by_half_a_minute(api: Api) -> None:
    late = token(api.tenant, iat=int(time.time()) - 900, exp=int(time.time()) - 20)
    early = token(api.tenant, nbf=int(time.time()) + 20)
    assert [answer(api, f"Bearer {late}").status_code, answer(api, f"Bearer {early}").status_code] == [200, 200]


@pytest.fixture
def rsa_key(settings: Any) -> Any:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    settings.JWT_ALGORITHM = "RS256"
    settings.JWT_PUBLIC_KEY = _pem(private)
    signing_keys.keys.cache_clear()
    yield private
    signing_keys.keys.cache_clear()


def _pem(private: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def test_public_key_verifies_what_its_private_half_signed(api: Api, rsa_key: Any) -> None:
    assert answer(api, f"Bearer {jwt.encode(claims(api.tenant), rsa_key, algorithm='RS256')}").status_code == 200


def test_public_key_used_as_a_shared_secret_is_refused(api: Api, rsa_key: Any, settings: Any) -> None:
    head, body = segment({"alg": "HS256", "typ": "JWT"}), segment(claims(api.tenant))
    refused(api, f"Bearer {head}.{body}.{_hmac(settings.JWT_PUBLIC_KEY, f'{head}.{body}')}", "wrong_algorithm")


def _hmac(secret: str, text: str) -> str:
    digest = jwt.get_algorithm_by_name("HS256")
    return base64.urlsafe_b64encode(digest.sign(text.encode(), secret.encode())).rstrip(b"=").decode()


def test_elliptic_key_verifies_too(api: Api, settings: Any) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    settings.JWT_ALGORITHM, settings.JWT_PUBLIC_KEY = "ES256", _pem(private)
    signing_keys.keys.cache_clear()
    try:
        assert answer(api, f"Bearer {jwt.encode(claims(api.tenant), private, algorithm='ES256')}").status_code == 200
    finally:
        signing_keys.keys.cache_clear()


def test_tenant_of_the_token_is_read_in_any_case(api: Api) -> None:
    response = answer(api, f"Bearer {token(str(api.tenant).upper())}")
    assert UUID(response.json()["tenant_id"]) == api.tenant
