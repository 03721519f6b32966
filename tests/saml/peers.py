"""Identity providers that others wrote: npm's samlp, and the server of pysaml2, which signs by the program xmlsec1."""

import json
import re
import shutil
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from oauth.saml.metadata import service_provider
from tests import peers
from tests.saml.issuing import ISSUER, REQUEST, SSO_URL, SUBJECT, Key, acs_url, entity_id

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It still names what cryptography has moved.
    from saml2 import BINDING_HTTP_REDIRECT
    from saml2.config import IdPConfig
    from saml2.metadata import entity_descriptor
    from saml2.saml import NAMEID_FORMAT_EMAILADDRESS, NameID
    from saml2.server import Server

SIGNED = {"assertion": ("assertion",), "response": ("response",), "both": ("assertion", "response")}


def by_samlp(key: Key, tenant: UUID, *wishes: dict[str, Any]) -> list[str]:
    """What samlp says for each wish: its options, on top of those of a good response."""
    usual = {
        "issuer": ISSUER,
        "audience": entity_id(tenant),
        "recipient": acs_url(tenant),
        "destination": acs_url(tenant),
        "inResponseTo": REQUEST,
        "subject": SUBJECT,
        "sessionIndex": "_s1",
        "signatureAlgorithm": "rsa-sha256",
        "digestAlgorithm": "sha256",
        "key": key.private_pem,
        "cert": key.pem,
    }
    script = peers.installed() / "saml_idp.mjs"
    wanted = json.dumps([{**usual, **wish} for wish in wishes])
    done = subprocess.run(
        [peers.node(), str(script)], input=wanted, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def signing(name: str) -> dict[str, bool]:
    """samlp's options for what is signed."""
    return {"signAssertion": "assertion" in SIGNED[name], "signResponse": "response" in SIGNED[name]}


@dataclass
class Pysaml2:
    """An identity provider that knows the hub by the hub's own metadata."""

    server: Server
    tenant: UUID

    @classmethod
    def of(cls, key: Key, tenant: UUID, at: Path) -> "Pysaml2":
        xmlsec1 = shutil.which("xmlsec1")
        if xmlsec1 is None:
            pytest.fail("pysaml2 signs by a program that no wheel brings: apt-get install xmlsec1")
        (at / "key.pem").write_text(key.private_pem)
        (at / "cert.pem").write_text(key.pem)
        (at / "hub.xml").write_text(service_provider(tenant))
        settings = {
            "entityid": ISSUER,
            "service": {"idp": {"endpoints": {"single_sign_on_service": [(SSO_URL, BINDING_HTTP_REDIRECT)]}}},
            "metadata": {"local": [str(at / "hub.xml")]},
            "key_file": str(at / "key.pem"),
            "cert_file": str(at / "cert.pem"),
            "xmlsec_binary": xmlsec1,
        }
        return cls(Server(config=IdPConfig().load(settings)), tenant)

    def respond(self, sign: str = "assertion", **over: Any) -> str:
        arguments = {
            "identity": {"mail": [SUBJECT], "displayName": ["Ada Lovelace"]},
            "in_response_to": REQUEST,
            "destination": acs_url(self.tenant),
            "sp_entity_id": entity_id(self.tenant),
            "name_id": NameID(format=NAMEID_FORMAT_EMAILADDRESS, text=SUBJECT),
            "authn": {"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password", "authn_auth": ISSUER},
            "sign_assertion": "assertion" in SIGNED[sign],
            "sign_response": "response" in SIGNED[sign],
            "sign_alg": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "digest_alg": "http://www.w3.org/2001/04/xmlenc#sha256",
        }
        return str(self.server.create_authn_response(**{**arguments, **over}))

    def metadata(self) -> str:
        """Its own, as it would be published."""
        return str(entity_descriptor(self.server.config))

    def asked(self, saml_request: str) -> Any:
        """What it understands of a request of the hub's."""
        return self.server.parse_authn_request(saml_request, BINDING_HTTP_REDIRECT).message


def undeclared(xml: str) -> str:
    """Without the XML declaration, so that something can be put before the rest."""
    return re.sub(r"^<\?xml[^>]*\?>\s*", "", xml)
