"""Responses of an identity provider: one of ours, which can also be told to say what no real one would."""

import base64
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import DigestAlgorithm, SignatureMethod, XMLSigner

from integrationhub.core.representation import moment

BASE = "https://hub.example"
ISSUER = "https://idp.example/metadata"
SSO_URL = "https://idp.example/sso?app=hub"
REQUEST = "id-" + "5a" * 20
SUBJECT = "ada@example.com"
NS = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
SUCCESS, RESPONDER = (f"urn:oasis:names:tc:SAML:2.0:status:{word}" for word in ("Success", "Responder"))
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
PLACE = '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="placeholder"/>'
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"


@dataclass(frozen=True)
class Key:
    private: Any
    certificate: x509.Certificate

    @property
    def private_pem(self) -> str:
        form = PrivateFormat.PKCS8
        return self.private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()

    @property
    def public_pem(self) -> str:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def make_key(*, bits: int = 2048, curve: Any = None, days: int = 365, name: str = "idp.example") -> Key:
    """A key and its own certificate, which began two years ago and ends in so many days."""
    private: Any = ec.generate_private_key(curve) if curve else rsa.generate_private_key(65537, bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(private.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=730)).not_valid_after(now + timedelta(days=days))
    return Key(private, builder.sign(private, hashes.SHA256()))


class _Weak(XMLSigner):
    """signxml's signer, without its refusal of algorithms that nobody should use."""

    def check_deprecated_methods(self) -> None:
        pass


@dataclass(frozen=True)
class Order:
    """What a response says; a good one, unless some of it is replaced. Empty text leaves a thing out."""

    key: Key
    tenant: UUID
    sign: tuple[str, ...] = ("assertion",)
    subject: str = SUBJECT
    issuer: str = ISSUER
    audience: str = ""
    recipient: str = ""
    destination: str = ""
    in_response_to: str = REQUEST
    answered: str | None = None  # What the response itself says that it answers, where that is another thing.
    status: str = SUCCESS
    begins: timedelta = timedelta(seconds=-5)
    ends: timedelta = timedelta(minutes=5)
    confirmed_until: timedelta = timedelta(minutes=5)
    session_until: timedelta = timedelta(hours=8)
    method: SignatureMethod = SignatureMethod.RSA_SHA256
    digest: DigestAlgorithm = DigestAlgorithm.SHA256
    until: str = ""  # In place of every end.
    group: str = "staff"
    conditions: str = ""  # More of them.
    confirmation: str = BEARER
    statement: bool = True
    assertion_id: str = field(default_factory=lambda: f"_{uuid4().hex}")
    response_id: str = field(default_factory=lambda: f"_{uuid4().hex}")

    def but(self, **over: Any) -> "Order":
        return replace(self, **over)


def made(order: Order) -> str:
    """The response in XML."""
    assertion = _assertion(order)
    if "assertion" in order.sign:
        assertion = _signed(assertion, order.assertion_id, order)
    response = _response(order, assertion)
    return _signed(response, order.response_id, order) if "response" in order.sign else response


def posted(xml: str | bytes) -> str:
    """As a browser posts it."""
    return base64.b64encode(xml.encode() if isinstance(xml, str) else xml).decode()


def entity_id(tenant: UUID) -> str:
    return f"{BASE}/saml/acs/{tenant}"


def acs_url(tenant: UUID) -> str:
    return f"{BASE}/saml/acs/{tenant}"


def _assertion(order: Order) -> str:
    now = datetime.now(UTC)
    answer = f' InResponseTo="{order.in_response_to}"' if order.in_response_to else ""
    ends = (order.ends, order.confirmed_until, order.session_until)
    end, confirmed_until, session_until = (order.until or moment(now + each) for each in ends)
    statement = (
        f'<saml:AuthnStatement AuthnInstant="{moment(now)}" SessionIndex="_s1" SessionNotOnOrAfter="{session_until}">'
        "<saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
        "</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"
    )
    return (
        f'<saml:Assertion xmlns:saml="{NS["saml"]}" ID="{order.assertion_id}" Version="2.0"'
        f' IssueInstant="{moment(now)}"><saml:Issuer>{order.issuer}</saml:Issuer>{PLACE}'
        f'<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{order.subject}'
        f'</saml:NameID><saml:SubjectConfirmation Method="{order.confirmation}"><saml:SubjectConfirmationData'
        f' NotOnOrAfter="{confirmed_until}" Recipient="{order.recipient or acs_url(order.tenant)}"{answer}/>'
        "</saml:SubjectConfirmation></saml:Subject>"
        f'<saml:Conditions NotBefore="{moment(now + order.begins)}" NotOnOrAfter="{end}">'
        f"<saml:AudienceRestriction><saml:Audience>{order.audience or entity_id(order.tenant)}</saml:Audience>"
        f"</saml:AudienceRestriction>{order.conditions}</saml:Conditions>{statement if order.statement else ''}"
        f'<saml:AttributeStatement><saml:Attribute Name="groups"><saml:AttributeValue>{order.group}'
        "</saml:AttributeValue><saml:AttributeValue>admins</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"
    )


def _response(order: Order, assertion: str) -> str:
    answered = order.in_response_to if order.answered is None else order.answered
    answer = f' InResponseTo="{answered}"' if answered else ""
    destination = f' Destination="{order.destination or acs_url(order.tenant)}"' if order.destination != "none" else ""
    return (
        f'<samlp:Response xmlns:samlp="{NS["samlp"]}" xmlns:saml="{NS["saml"]}" ID="{order.response_id}" Version="2.0"'
        f' IssueInstant="{moment(datetime.now(UTC))}"{destination}{answer}><saml:Issuer>{order.issuer}</saml:Issuer>'
        f'{PLACE if "response" in order.sign else ""}<samlp:Status><samlp:StatusCode Value="{order.status}"/>'
        f"</samlp:Status>{assertion.replace(PLACE, '')}</samlp:Response>"
    )


def _signed(xml: str, its_id: str, order: Order) -> str:
    signer = _Weak(signature_algorithm=order.method, digest_algorithm=order.digest, c14n_algorithm=EXCLUSIVE)
    arguments: dict[str, Any] = {"key": order.key.private, "cert": [order.key.certificate]}
    if order.method.name.startswith("HMAC"):
        # What fools a verifier that takes the key it has for whatever the message says that it is.
        arguments = {"key": order.key.pem.encode()}
    root = signer.sign(etree.fromstring(xml), reference_uri=f"#{its_id}", id_attribute="ID", **arguments)
    return etree.tostring(root).decode()
