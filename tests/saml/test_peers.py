"""What others' identity providers say is understood when it is good, and refused whatever an attacker makes of it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from oauth.saml import certificates
from oauth.saml.errors import SamlDecode
from oauth.saml.validating import Assertion, Expected, assertion_in
from tests.make import Api
from tests.saml.attacks import FORGERIES
from tests.saml.conftest import configured
from tests.saml.issuing import ISSUER, REQUEST, RESPONDER, SUBJECT, Key, acs_url, entity_id, posted
from tests.saml.peers import SIGNED, Pysaml2, by_samlp, signing, undeclared
from tests.saml.test_sign_in import asked, form, login

pytestmark = pytest.mark.slow

TENANT = UUID("0197a6b2-1111-7222-8333-444455556666")
SHA1 = {"signatureAlgorithm": "rsa-sha1", "digestAlgorithm": "sha1"}
SHA1_NAMES = ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1")
ELSEWHERE = "https://other.example/acs"


@pytest.fixture(scope="session")
def pysaml2(key: Key, tmp_path_factory: pytest.TempPathFactory) -> Pysaml2:
    return Pysaml2.of(key, TENANT, tmp_path_factory.mktemp("pysaml2"))


@pytest.fixture(scope="session")
def good_ones(key: Key, pysaml2: Pysaml2) -> dict[tuple[str, str], str]:
    """By peer and what is signed."""
    made = {
        ("samlp", sign): xml for sign, xml in zip(SIGNED, by_samlp(key, TENANT, *map(signing, SIGNED)), strict=True)
    }
    return made | {("pysaml2", sign): pysaml2.respond(sign) for sign in SIGNED}


@pytest.fixture
def told(key: Key) -> Callable[[str | bytes], Assertion]:
    expected = Expected(ISSUER, [certificates.load(key.pem)], entity_id(TENANT), acs_url(TENANT))
    return lambda xml: assertion_in(posted(xml), expected)


def refusal(told: Callable[..., Assertion], xml: str | bytes) -> str:
    with pytest.raises(SamlDecode) as error:
        told(xml)
    return error.value.reason


@pytest.mark.parametrize("sign", SIGNED)
@pytest.mark.parametrize("peer", ["samlp", "pysaml2"])
def test_good_responses_are_understood(peer: str, sign: str, good_ones: dict, told: Any) -> None:
    assertion = told(good_ones[peer, sign])
    assert (assertion.subject, assertion.issuer, assertion.in_response_to) == (SUBJECT, ISSUER, REQUEST)
    assert "Ada Lovelace" in [value for values in assertion.attributes.values() for value in values]


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize("peer", ["samlp", "pysaml2"])
def test_a_forgery_is_refused_for_its_reason(peer: str, name: str, good_ones: dict, told: Any) -> None:
    sign, forge, reason = FORGERIES[name]
    what = "both" if len(sign) == 2 else "".join(sign) or "assertion"
    assert refusal(told, forge(undeclared(good_ones[peer, what]))) == reason


# What samlp can be told to say, and the reason.
SAMLP: dict[str, tuple[dict[str, Any], str]] = {
    "audience": ({"audience": ELSEWHERE}, "audience"),
    "recipient": ({"recipient": ELSEWHERE}, "recipient"),
    "destination": ({"destination": ELSEWHERE}, "destination"),
    "issuer": ({"issuer": ELSEWHERE}, "issuer"),
    "expired": ({"lifetimeInSeconds": -100}, "expired"),
    "SHA-1": (SHA1, "algorithm"),
    "failed": ({"samlStatusCode": RESPONDER}, "status"),
    "unsigned": ({"signAssertion": False}, "unsigned"),
}


def test_samlp_is_refused_what_is_not_for_us_and_now(key: Key, other_key: Key, told: Any) -> None:
    encrypted = {"encryptionPublicKey": key.public_pem, "encryptionCert": key.pem}
    strange = {"key": other_key.private_pem, "cert": other_key.pem}
    cases = {
        **SAMLP,
        "encrypted": (encrypted, "encrypted_assertion_unsupported"),
        "other key": (strange, "signature"),
    }
    responses = by_samlp(key, TENANT, *(wish for wish, _ in cases.values()))
    reasons = {name: refusal(told, xml) for name, xml in zip(cases, responses, strict=True)}
    assert reasons == {name: reason for name, (_, reason) in cases.items()}


# The same of pysaml2.
PYSAML2: dict[str, tuple[dict[str, Any], str]] = {
    "audience": ({"sp_entity_id": ELSEWHERE}, "audience"),
    "recipient": ({"destination": ELSEWHERE}, "destination"),
    "issuer": ({"issuer": ELSEWHERE}, "issuer"),
    "SHA-1": (dict(zip(("sign_alg", "digest_alg"), SHA1_NAMES, strict=True)), "algorithm"),
    "unsigned": ({"sign_assertion": False}, "unsigned"),
}


def test_pysaml2_is_refused_what_is_not_for_us(pysaml2: Pysaml2, key: Key, told: Any) -> None:
    encrypted = {"encrypt_assertion": True, "encrypt_cert_assertion": key.pem}
    cases = {**PYSAML2, "encrypted": (encrypted, "encrypted_assertion_unsupported")}
    reasons = {name: refusal(told, pysaml2.respond(**wish)) for name, (wish, _) in cases.items()}
    assert reasons == {name: reason for name, (_, reason) in cases.items()}


def test_samlp_signs_somebody_in(api: Api, key: Key) -> None:
    """From the hub's own address and back."""
    configured(api, key)
    request = asked(login(api.tenant, RelayState="/orders")["Location"])
    [xml] = by_samlp(key, api.tenant, {"inResponseTo": request.get("ID"), **signing("both")})
    answer = form(api.tenant, xml)
    assert (answer.status_code, answer.json()["subject"]) == (200, SUBJECT), answer.content
    assert answer.json()["relay_state"] == "/orders"


def test_pysaml2_understands_the_hub_and_signs_somebody_in(api: Api, key: Key, tmp_path: Any) -> None:
    """It has the hub's metadata and nothing else; and the hub takes its metadata."""
    pysaml2 = Pysaml2.of(key, api.tenant, tmp_path)
    assert api.put("/saml/idp", {"metadata_xml": pysaml2.metadata()}).status_code == 200
    [packed] = parse_qs(urlsplit(login(api.tenant)["Location"]).query)["SAMLRequest"]
    request = pysaml2.asked(packed)
    assert request.issuer.text == entity_id(api.tenant)
    where = pysaml2.server.response_args(request)
    assert where["destination"] == acs_url(api.tenant)
    xml = pysaml2.respond("both", in_response_to=where["in_response_to"], destination=where["destination"])
    answer = form(api.tenant, xml)
    assert (answer.status_code, answer.json()["subject"]) == (200, SUBJECT), answer.content
