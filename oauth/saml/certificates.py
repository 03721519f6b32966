"""The certificates of identity providers: which are taken, and what is shown of them."""

import base64
import re
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

LEAST_RSA_BITS = 2048
_UNREADABLE = (ValueError, x509.InvalidVersion, UnsupportedAlgorithm)


def load(pem: str) -> x509.Certificate:
    """Raises ValueError for what is no certificate."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except _UNREADABLE as error:
        raise ValueError("no X.509 certificate in PEM") from error


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def pem_of_base64(text: str) -> str:
    """The `X509Certificate` of a document as PEM. Raises ValueError."""
    try:
        return pem(x509.load_der_x509_certificate(base64.b64decode(re.sub(r"\s", "", text), validate=True)))
    except _UNREADABLE as error:
        raise ValueError("no X.509 certificate") from error


def fault(text: str, now: datetime | None = None) -> str:
    """What a certificate would have to be and is not; empty for one that responses can be verified with."""
    try:
        certificate = load(text)
        key = certificate.public_key()
    except _UNREADABLE:
        return "an X.509 certificate in PEM"
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        return "a certificate of an RSA or elliptic-curve key"
    if isinstance(key, RSAPublicKey) and key.key_size < LEAST_RSA_BITS:
        return f"a certificate of an RSA key of {LEAST_RSA_BITS} bits or more"
    if certificate.not_valid_after_utc < (now or datetime.now(UTC)):
        return "a certificate that has not expired"
    return ""


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256, as identity providers show it: `AB:CD:...`."""
    return certificate.fingerprint(SHA256()).hex(":").upper()
