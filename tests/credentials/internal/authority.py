"""A certificate authority of the tests' own, and what it issues."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
BILLING_URI = "spiffe://hub.example/ns/prod/sa/billing"
BILLING_SUBJECT = "CN=billing,OU=svc,O=Hub"


@dataclass(frozen=True, slots=True)
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def escaped(self) -> str:
        """As nginx's $ssl_client_escaped_cert and Envoy's Cert have it."""
        return quote(self.pem, safe="")

    @property
    def byte_sequence(self) -> str:
        """As RFC 9440 has it."""
        return f":{base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()}:"

    def written(self, directory: Path, name: str) -> tuple[Path, Path]:
        """The files of certificate and key."""
        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        certificate.write_text(self.pem)
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key


class Authority:
    def __init__(self, name: str = "Hub Test CA") -> None:
        self.own = self._signed(x509.Name.from_rfc4514_string(f"CN={name}"), ec.generate_private_key(ec.SECP256R1()))

    def issue(
        self,
        subject: str = BILLING_SUBJECT,
        *uris: str,
        names: Iterable[x509.GeneralName] = (),
        usage: x509.ObjectIdentifier = CLIENT,
        days: tuple[int, int] = (-1, 1),
    ) -> Issued:
        """A certificate that is valid from and until so many days from now."""
        others = [*map(x509.UniformResourceIdentifier, uris), *names]
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage([usage])]
        if others:
            extensions.append(x509.SubjectAlternativeName(others))
        key = ec.generate_private_key(ec.SECP256R1())
        return self._signed(x509.Name.from_rfc4514_string(subject), key, extensions, days, self.own)

    @staticmethod
    def _signed(
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extensions: Iterable[x509.ExtensionType] = (),
        days: tuple[int, int] = (-2, 2),
        signer: Issued | None = None,
    ) -> Issued:
        start, end = (datetime.now(UTC) + timedelta(days=number) for number in days)
        builder = x509.CertificateBuilder(
            signer.certificate.subject if signer else subject,
            subject,
            key.public_key(),
            x509.random_serial_number(),
            start,
            end,
        ).add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return Issued(builder.sign(signer.key if signer else key, hashes.SHA256()), key)
