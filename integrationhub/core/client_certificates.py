"""Whose client certificate a gateway verified, read from the headers in which it says so.

Three forms: nginx's variables under names of our own, Envoy's x-forwarded-client-cert, and RFC 9440's Client-Cert.
All of it is hearsay: `mutual_tls` asks first who says it.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import NameOID

from integrationhub.core.errors import MtlsRequired

# A SPIFFE id as it stands in a certificate, or the whole subject.
Identity = str | x509.Name
Headers = Mapping[str, Any]

_SPIFFE = "spiffe://"
# https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md, section 2; a workload's has a path.
_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)+")
# OpenSSL's short names for what RFC 4514 would have as numbers.
_SHORT_NAMES = {
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "GN": NameOID.GIVEN_NAME,
    "SN": NameOID.SURNAME,
    "title": NameOID.TITLE,
}
_BYTE_SEQUENCE = re.compile(r":([A-Za-z0-9+/]+={0,2}):")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*")
_PAIR = re.compile(r'([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))(;|\Z)')
# Envoy writes these as they are, and last: whatever follows one may be part of it.
_MAY_FOLLOW = {"uri": ("uri", "dns"), "dns": ("dns",)}
# What a certificate of someone's own making can provoke.
_UNREADABLE = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True)
class Presented:
    """What is known of a client's certificate."""

    uris: tuple[str, ...]
    subject: x509.Name

    def identity(self) -> Identity:
        """Its SPIFFE id, else its whole subject. Raises MtlsRequired for a SPIFFE id that is not its only URI.

        A certificate with a SPIFFE id goes by that alone, and it may have one:
        https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md, section 2.
        """
        if not any(uri.lower().startswith(_SPIFFE) for uri in self.uris):
            return self.subject
        if len(self.uris) > 1:
            raise MtlsRequired("The certificate names more than one URI.", reason="ambiguous_identity")
        return self.uris[0]


def read_identity(text: str) -> Identity:
    """A SPIFFE id, or a subject in the form of RFC 4514. Raises ValueError for anything else."""
    if not text.lower().startswith(_SPIFFE):
        return read_subject(text)
    if not _SPIFFE_ID.fullmatch(text):
        raise ValueError("no SPIFFE id of a workload")
    return text


def read_subject(text: str) -> x509.Name:
    """The name that is written so; raises ValueError for what is none, or empty.

    Names are compared by their parts. A text would not do: the CN `evil,CN=billing` is written `CN=evil\\,CN=billing`.
    """
    try:
        name = x509.Name.from_rfc4514_string(text, _SHORT_NAMES)
    except ValueError as error:
        raise ValueError("no subject in the form of RFC 4514") from error
    if not name.rdns:
        raise ValueError("no subject: it is empty")
    return name


def shown(identity: Identity) -> str:
    """The identity for a log line or a record."""
    return identity if isinstance(identity, str) else identity.rfc4514_string()


def from_nginx(headers: Headers) -> Presented:
    """`X-SSL-Client-Verify`, with `X-SSL-Client-Cert` ($ssl_client_escaped_cert) or else `X-SSL-Client-S-DN`.

    https://nginx.org/en/docs/http/ngx_http_ssl_module.html#variables
    """
    # A header that was sent twice arrives as `SUCCESS,NONE`, a failure as `FAILED:reason`.
    if headers.get("HTTP_X_SSL_CLIENT_VERIFY") != "SUCCESS":
        raise _not_verified()
    if certificate := headers.get("HTTP_X_SSL_CLIENT_CERT"):
        return _of_pem(certificate)
    return Presented((), _subject(headers.get("HTTP_X_SSL_CLIENT_S_DN", "")))


def from_xfcc(headers: Headers) -> Presented:
    """Envoy's `x-forwarded-client-cert`: the one element that `SANITIZE_SET` makes.

    By its `Cert`, else by its `URI` and `Subject`.

    A second element is refused, since the comma before it may be one of a client's URI.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
    """
    if not (header := headers.get("HTTP_X_FORWARDED_CLIENT_CERT")):
        raise _not_verified()
    element: dict[str, list[str]] = {}
    for name, value in _pairs(header):
        element.setdefault(name, []).append(value)
    certificates, subjects = element.get("cert", []), element.get("subject", [])
    if len(certificates) > 1 or len(subjects) > 1:
        raise _malformed()
    if certificates:
        return _of_pem(certificates[0])
    uris = tuple(uri for uri in element.get("uri", []) if uri)
    subject = subjects[0] if subjects else ""
    return Presented(uris, _subject(subject) if subject or not uris else x509.Name([]))


def from_rfc9440(headers: Headers) -> Presented:
    """`Client-Cert: :<base64 of the DER>:`, https://www.rfc-editor.org/rfc/rfc9440#section-2.2."""
    if not (header := headers.get("HTTP_CLIENT_CERT")):
        raise _not_verified()
    if (sequence := _BYTE_SEQUENCE.fullmatch(header)) is None:
        raise _malformed()
    try:
        return _of(x509.load_der_x509_certificate(base64.b64decode(sequence[1], validate=True)))
    except _UNREADABLE as error:
        raise _malformed() from error


READERS: dict[str, Callable[[Headers], Presented]] = {
    "nginx": from_nginx,
    "xfcc": from_xfcc,
    "rfc9440": from_rfc9440,
}


def _pairs(header: str) -> Iterator[tuple[str, str]]:
    """Name in lower case, and value. Raises MtlsRequired for what is not one element.

    A value keeps its backslashes: Envoy writes the subject as OpenSSL has escaped it, and escapes nothing itself.
    """
    position, before = 0, ""
    while position < len(header):
        if (pair := _PAIR.match(header, position)) is None:
            raise _malformed()
        name, quoted, plain, end = pair[1].lower(), *pair.group(2, 3, 4)
        if name not in _MAY_FOLLOW.get(before, (name,)):
            raise _malformed()
        yield name, plain if quoted is None else quoted
        position, before = pair.end(), name
        if end and position == len(header):
            raise _malformed()


def _of_pem(escaped: str) -> Presented:
    text = unquote(escaped)
    if not _PEM.fullmatch(text):
        raise _malformed()
    try:
        return _of(x509.load_pem_x509_certificate(text.encode()))
    except _UNREADABLE as error:
        raise _malformed() from error


def _of(certificate: x509.Certificate) -> Presented:
    """Its names, once its time has been looked at: the gateway has done so too, by a clock of its own."""
    if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
        raise MtlsRequired("The client certificate has expired, or is not valid yet.", reason="certificate_expired")
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Presented((), certificate.subject)
    return Presented(tuple(names.get_values_for_type(x509.UniformResourceIdentifier)), certificate.subject)


def _subject(text: str) -> x509.Name:
    try:
        return read_subject(text)
    except ValueError as error:
        raise _malformed() from error


def _not_verified() -> MtlsRequired:
    return MtlsRequired("The gateway has verified no client certificate.", reason="certificate_not_verified")


def _malformed() -> MtlsRequired:
    return MtlsRequired("What the gateway says of the client certificate is malformed.", reason="malformed_certificate")
