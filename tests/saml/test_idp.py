"""A tenant's identity provider: set by its members or its metadata, checked before it is taken, shown with what it is
to be told of this hub."""

import base64
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from django.test import Client
from lxml import etree
from pytest_django import Settings

from tests.audit.reading import trail_of
from tests.make import Api, another_tenant
from tests.saml.conftest import configured
from tests.saml.issuing import BASE, ISSUER, SSO_URL, Key, acs_url, entity_id, make_key

MD = "urn:oasis:names:tc:SAML:2.0:metadata"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"


def metadata(*keys: Key, use: str = ' use="signing"', binding: str = REDIRECT, url: str = SSO_URL) -> str:
    def descriptor(key: Key) -> str:
        der = base64.encodebytes(key.certificate.public_bytes(Encoding.DER)).decode()
        return (
            f'<KeyDescriptor{use}><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>'
            f"{der}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"
        )

    return (
        f'<?xml version="1.0" encoding="utf-8"?><EntityDescriptor xmlns="{MD}" entityID="{ISSUER}"><IDPSSODescriptor'
        f' protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{"".join(map(descriptor, keys))}'
        '<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://x.example"/>'
        f'<SingleSignOnService Binding="{binding}" Location="{url}"/></IDPSSODescriptor></EntityDescriptor>'
    )


def faults(answer: Any) -> dict[str, str]:
    body = answer.json()
    assert (answer.status_code, body["details"]["reason"]) == (400, "invalid_fields"), body
    return {fault["field"]: fault["expected"] for fault in body["details"]["fields"]}


def test_it_is_shown_with_what_it_is_to_be_told(api: Api, key: Key) -> None:
    put = configured(api, key)
    got = api.get("/saml/idp").json()
    assert got == put
    [certificate] = got["certificates"]
    assert (certificate["pem"], certificate["subject"]) == (key.pem, "CN=idp.example")
    assert (got["entity_id"], got["sso_url"], got["allow_idp_initiated"]) == (ISSUER, SSO_URL, False)
    assert got["service_provider"] == {
        "entity_id": entity_id(api.tenant),
        "acs_url": acs_url(api.tenant),
        "metadata_url": f"{BASE}/saml/metadata?tenant_id={api.tenant}",
        "login_url": f"{BASE}/saml/login?tenant_id={api.tenant}",
    }


def test_before_there_is_one_the_answer_says_what_to_tell_it(api: Api) -> None:
    answer = api.get("/saml/idp")
    assert (answer.status_code, answer.json()["details"]["reason"]) == (404, "not_configured")
    assert answer.json()["details"]["serviceProvider"]["acsUrl"] == acs_url(api.tenant)


def test_its_metadata_says_the_same(api: Api, key: Key, other_key: Key) -> None:
    answer = api.put("/saml/idp", {"metadata_xml": metadata(key, other_key, key)})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["entity_id"], body["sso_url"]) == (ISSUER, SSO_URL)
    assert [each["pem"] for each in body["certificates"]] == [key.pem, other_key.pem]


def test_a_change_keeps_the_row_and_both_are_in_the_trail(api: Api, key: Key, other_key: Key) -> None:
    first, second = configured(api, key), configured(api, other_key, allow_idp_initiated=True)
    assert first["id"] == second["id"]
    one, two = trail_of(api.tenant)
    assert (one.action, two.action, two.actor) == ("identity_provider.set", "identity_provider.changed", "tester")
    assert two.about == f"identity_provider:{first['id']}"
    assert two.details["fingerprints"] == [second["certificates"][0]["fingerprint"]]
    assert two.details["allow_idp_initiated"] is True


def test_each_tenant_has_its_own(api: Api, key: Key) -> None:
    configured(api, key)
    assert another_tenant().get("/saml/idp").status_code == 404


@pytest.mark.parametrize("path", ["/saml/idp", "/saml/acs"])
def test_it_is_for_organizers(api: Api, path: str) -> None:
    user, method = api.as_role("user"), "POST" if path == "/saml/acs" else "PUT"
    assert user.request(method, path, {}).json()["code"] == "ERR_RBAC_FORBIDDEN"
    assert api.as_role("organizer").request(method, path, {}).status_code == 400


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"body"}),
        ({"entity_id": ISSUER}, {"body"}),
        ({"metadata_xml": "<a/>", "entity_id": "x", "sso_url": "https://x", "certificates": ["x"]}, {"body"}),
        ({"entity_id": "", "sso_url": 7, "certificates": []}, {"entity_id", "sso_url", "certificates"}),
        ({"metadata_xml": "<a/>", "allow_idp_initiated": "yes", "more": 1}, {"allow_idp_initiated", "more"}),
    ],
)
def test_every_fault_of_the_body_is_named(api: Api, body: dict, fields: set[str]) -> None:
    assert set(faults(api.put("/saml/idp", body))) == fields


@pytest.mark.parametrize(
    "sso_url",
    ["http://idp.example/sso", "ftp://idp.example", "javascript:alert(1)", "https://", "https://a@idp.example/",
     "https://idp.example/#x", "https://idp.example/ä", "https://idp.example/\n", "https://[::1", "//idp.example",
     "https:\\\\idp.example"],
)  # fmt: skip
def test_people_are_sent_to_a_web_address_with_tls(api: Api, key: Key, sso_url: str) -> None:
    body = {"entity_id": ISSUER, "sso_url": sso_url, "certificates": [key.pem]}
    assert set(faults(api.put("/saml/idp", body))) == {"sso_url"}
    assert trail_of(api.tenant) == []


def test_a_hub_on_plain_http_may_have_an_identity_provider_on_it(api: Api, key: Key, settings: Settings) -> None:
    settings.PUBLIC_BASE_URL = "http://127.0.0.1:8000"
    assert configured(api, key, sso_url="http://127.0.0.1:8080/sso")["sso_url"] == "http://127.0.0.1:8080/sso"


def test_certificates_that_would_verify_nothing_are_named_each(api: Api, key: Key) -> None:
    made = [key, make_key(bits=1024), make_key(days=-1), make_key(curve=ec.SECP384R1())]
    pems = [each.pem for each in made] + ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
    found = faults(api.put("/saml/idp", {"entity_id": ISSUER, "sso_url": SSO_URL, "certificates": pems}))
    assert found == {
        "certificates[1]": "a certificate of an RSA key of 2048 bits or more",
        "certificates[2]": "a certificate that has not expired",
        "certificates[4]": "an X.509 certificate in PEM",
    }


def test_a_private_key_is_not_a_certificate_and_is_not_repeated(api: Api, key: Key) -> None:
    body = {"entity_id": ISSUER, "sso_url": SSO_URL, "certificates": [key.private_pem]}
    answer = api.put("/saml/idp", body)
    assert set(faults(answer)) == {"certificates[0]"}
    assert key.private_pem.splitlines()[1] not in answer.content.decode()


def test_metadata_is_read_without_trust(api: Api, key: Key, other_key: Key) -> None:
    good = metadata(key)
    bad = {
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + good.partition("?>")[2]: "DOCTYPE",
        good[:-5]: "well-formed",
        "\ud800": "well-formed",
        good.replace("IDPSSODescriptor", "SPSSODescriptor"): "exactly one",
        f'<EntitiesDescriptor xmlns="{MD}">{good.partition("?>")[2] * 2}</EntitiesDescriptor>': "exactly one",
        metadata(key, binding="urn:x"): "HTTP-Redirect",
        good.replace("</X509Certificate>", "!</X509Certificate>"): "X.509",
    }
    for xml, words in bad.items():
        answer = api.put("/saml/idp", {"metadata_xml": xml})
        if xml == "\ud800":
            assert answer.status_code == 400
        else:
            assert words in faults(answer)["metadata_xml"], xml
    assert set(faults(api.put("/saml/idp", {"metadata_xml": metadata()}))) == {"metadata_xml.certificates"}
    assert set(faults(api.put("/saml/idp", {"metadata_xml": metadata(key, use=' use="encryption"')}))) == {
        "metadata_xml.certificates"
    }
    assert set(faults(api.put("/saml/idp", {"metadata_xml": metadata(key, url="http://x.example")}))) == {
        "metadata_xml.sso_url"
    }
    assert api.put("/saml/idp", {"metadata_xml": metadata(key, use="")}).status_code == 200


def test_long_metadata_is_taken(api: Api, key: Key) -> None:
    padded = metadata(key).replace("<IDPSSODescriptor", f"<!-- {'x' * 100_000} --><IDPSSODescriptor")
    assert api.put("/saml/idp", {"metadata_xml": padded}).status_code == 200


def test_the_hubs_own_metadata_names_the_tenants_addresses(api: Api) -> None:
    for tenant in (api.tenant, uuid4()):
        answer = Client().get("/saml/metadata", {"tenant_id": str(tenant)})
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/samlmetadata+xml")
        root = etree.fromstring(answer.content)
        assert root.get("entityID") == entity_id(tenant)
        [service] = root.iter(f"{{{MD}}}AssertionConsumerService")
        assert service.get("Location") == acs_url(tenant)
        assert root[0].get("WantAssertionsSigned") == "true"
