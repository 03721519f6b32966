"""Keys that an issuer publishes: fetched when needed, kept when the issuer is away, never asked for too often."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from integrationhub.core import catalogue, signing_keys
from integrationhub.core.signing_keys import KeySet
from tests.core.envelopes import assert_envelope
from tests.core.servers import RawServer, ok
from tests.make import Api, claims

PRIVATE = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048) for kid in ("one", "two")}
BUSY: list[bytes | float] = [b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"]


def document(*kids: str, **over: Any) -> list[bytes | float]:
    algorithm = jwt.get_algorithm_by_name("RS256")
    rows = [{**algorithm.to_jwk(PRIVATE[kid].public_key(), as_dict=True), "kid": kid, **over} for kid in kids]
    return ok(json.dumps({"keys": rows}).encode())


@pytest.fixture
def call(api: Api, settings: Any) -> Any:
    """Ask the API with a token of the named key, verified through the key set at a URL."""

    def set_up(server: RawServer) -> Any:
        settings.JWT_ALGORITHM, settings.JWT_JWKS_URL = "RS256", f"{server.url}/keys"
        signing_keys.keys.cache_clear()
        return send

    def send(kid: str | None, signed_by: str = "one") -> Any:
        header = {"kid": kid} if kid else {}
        token = jwt.encode(claims(api.tenant), PRIVATE[signed_by], algorithm="RS256", headers=header)
        return api.get("/echo", headers={"Authorization": f"Bearer {token}"})

    yield set_up
    signing_keys.keys.cache_clear()


def test_published_key_lets_in_and_is_fetched_once(call: Any) -> None:
    with RawServer(document("one", "two")) as server:
        send = call(server)
        assert [send("one").status_code, send("one").status_code, send("two", "two").status_code] == [200] * 3
    assert len(server.requests) == 1


def test_made_up_key_ids_do_not_flood_the_issuer(call: Any) -> None:
    with RawServer(document("one")) as server:
        send = call(server)
        for number in range(5):
            assert_envelope(send(f"made-up-{number}"), 401, "unknown_key")
        assert_envelope(send(None), 401, "unknown_key")
        assert_envelope(send("one", signed_by="two"), 401, "bad_signature")
    assert len(server.requests) == 1


def test_new_key_is_found_and_old_one_leaves(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeySet, "refetch_seconds", 0.0)
    with RawServer(document("one"), document("two")) as server:
        send = call(server)
        assert send("one").status_code == 200
        assert send("two", "two").status_code == 200
        assert_envelope(send("one"), 401, "unknown_key")


def test_known_keys_serve_while_the_issuer_is_away(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeySet, "refetch_seconds", 0.0)
    monkeypatch.setattr(KeySet, "lifetime_seconds", 0.0)
    with RawServer(document("one"), BUSY) as server:
        send = call(server)
        assert [send("one").status_code, send("one").status_code] == [200, 200]
    assert len(server.requests) == 2


@pytest.mark.parametrize("answer", [BUSY, [], ok(b"<html>"), ok(b"[]"), ok(b'{"keys": 7}'), document("one", use="enc")])
def test_no_keys_at_all_is_not_the_callers_fault(call: Any, answer: Any) -> None:
    with RawServer(answer) as server:
        response = call(server)("one")
    body = assert_envelope(response, 500, "keys_unavailable")
    assert (body["code"], body["retryable"]) == (catalogue.UNEXPECTED.code, True)
    assert 1 <= int(response.headers["Retry-After"]) <= 30
