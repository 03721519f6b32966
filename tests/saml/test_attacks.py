"""No forged, stolen, stale or misdirected response signs anybody in, and none is told who it names."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from integrationhub.core.tenancy import tenant_scope
from oauth.saml.documents import SAML, parsed
from oauth.saml.models import IdentityProvider
from oauth.saml.signatures import signed_assertion
from tests.make import Api, another_tenant
from tests.saml.attacks import FORGERIES, LIES, MALLORY, base64_with_junk
from tests.saml.conftest import configured
from tests.saml.issuing import SUBJECT, Key, Order, entity_id, made, make_key, posted


def refused(answer: Any, reason: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["code"], body["details"]) == (400, "ERR_SAML_DECODE", {"reason": reason}), body
    assert body["message"].startswith("The sign-in by SAML was refused: ")
    assert MALLORY not in answer.content.decode()
    assert SUBJECT not in answer.content.decode()


@pytest.fixture
def acs(api: Api, idp: dict) -> Callable[[str], Any]:
    return lambda response: api.post("/saml/acs", {"SAMLResponse": response})


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_for_its_reason(name: str, acs: Callable[[str], Any], good: Order) -> None:
    sign, forge, reason = FORGERIES[name]
    refused(acs(posted(forge(made(good.but(sign=sign))))), reason)


@pytest.mark.parametrize("name", LIES)
def test_what_the_identity_provider_signs_is_refused_where_it_is_not_for_us_and_now(
    name: str, acs: Callable[[str], Any], good: Order
) -> None:
    said, reason = LIES[name]
    refused(acs(posted(made(good.but(**said)))), reason)


@pytest.mark.parametrize("sign", [("assertion",), ("response",), ("assertion", "response")])
def test_what_is_read_is_made_of_the_signed_bytes_and_no_part_of_the_message(
    good: Order, sign: tuple[str, ...]
) -> None:
    response = parsed(made(good.but(sign=sign)).encode())
    [stands_there] = response.findall(f"{SAML}Assertion")
    signed = signed_assertion(response, stands_there, [good.key.certificate], datetime.now(UTC))
    assert signed.get("ID") == good.assertion_id
    assert signed.getroottree().getroot() is not response


def test_another_key_is_refused_though_its_certificate_stands_in_the_message(
    acs: Callable[[str], Any], good: Order, other_key: Key
) -> None:
    xml = made(good.but(key=other_key))
    assert "X509Certificate" in xml
    refused(acs(posted(xml)), "signature")


def test_both_signatures_must_hold(acs: Callable[[str], Any], good: Order, other_key: Key) -> None:
    inside = made(good.but(sign=("assertion",)))
    assert "<ds:Signature" in inside
    outer = made(good.but(key=other_key, sign=("response",)))
    signature = outer[outer.index("<ds:Signature") : outer.index("</ds:Signature>") + len("</ds:Signature>")]
    refused(acs(posted(inside.replace("<samlp:Status>", f"{signature}<samlp:Status>"))), "signature")


def test_a_certificate_that_has_expired_since_vouches_for_nothing(
    api: Api, idp: dict, acs: Callable[[str], Any], good: Order
) -> None:
    old = make_key(days=-1)
    with tenant_scope(api.tenant):
        IdentityProvider.objects.for_tenant(api.tenant).update(certificates=[old.pem])
    refused(acs(posted(made(good.but(key=old)))), "certificate_expired")


def test_junk_between_base64_is_refused_and_line_breaks_are_not(acs: Callable[[str], Any], good: Order) -> None:
    refused(acs(base64_with_junk(made(good))), "not_base64")
    text = posted(made(good))
    assert acs("\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))).status_code == 200


@pytest.mark.parametrize("text", ["%%%", "ä" * 8, "AAA", "=" * 8, "\u2028AAAA"])
def test_what_is_no_base64_is_refused(text: str, acs: Callable[[str], Any]) -> None:
    refused(acs(text), "not_base64")


def test_what_is_too_long_is_refused_unread(acs: Callable[[str], Any]) -> None:
    started = time.process_time()
    refused(acs("A" * (256 * 1024 + 4)), "too_large")
    assert time.process_time() - started < 0.5


def test_twenty_megabytes_are_refused_by_their_length(api: Api, idp: dict) -> None:
    """By both doors; a second is many times what it takes."""
    started = time.process_time()
    answer = api.post("/saml/acs", {"SAMLResponse": "A" * 20_000_000})
    assert (answer.status_code, answer.json()["details"]["reason"]) == (413, "body_too_large")
    form = Client().post(
        f"/saml/acs/{api.tenant}",
        b"SAMLResponse=" + b"A" * 20_000_000,
        content_type="application/x-www-form-urlencoded",
    )
    assert (form.status_code, form.json()["details"]["reason"]) == (413, "body_too_large")
    assert time.process_time() - started < 1


def test_a_response_is_of_no_use_to_another_tenant_with_the_same_identity_provider(
    api: Api, idp: dict, key: Key, good: Order
) -> None:
    stranger = another_tenant()
    response = {"SAMLResponse": posted(made(good))}
    refused(stranger.post("/saml/acs", response), "not_configured")
    configured(stranger, key)
    refused(stranger.post("/saml/acs", response), "destination")
    for_another = good.but(tenant=stranger.tenant, audience=entity_id(api.tenant))
    refused(stranger.post("/saml/acs", {"SAMLResponse": posted(made(for_another))}), "audience")
    assert api.post("/saml/acs", response).status_code == 200
