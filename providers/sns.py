"""Messages of Amazon SNS: whether Amazon has signed them, for the topic that a tenant has named.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. Anybody may have a topic of their own
that Amazon signs for; what makes a message the tenant's is its TopicArn.
"""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Client

# SNS repeats a message for an hour, with the time and the signature of the first one; told twice, it has the same id.
LONGEST_AGE = timedelta(hours=2)
_OWN_HOST = r"https://sns\.[a-z]{2}(-[a-z]{2,10}){1,2}-[0-9]\.amazonaws\.com(\.cn)?/"
_CERTIFICATE_URL = re.compile(_OWN_HOST + r"[A-Za-z0-9_-]{1,100}\.pem")
_CONFIRMATION_URL = re.compile(_OWN_HOST + r"\?[A-Za-z0-9&=%:._~+-]{1,2000}")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]
_HASHES: Mapping[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303  SNS's own.


class Unsigned(Exception):
    """`reason` is a word in lower_snake."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def verify(message: Any, http: Client, deadline: Deadline) -> None:
    """Raises Unsigned, and OutboundError where the certificate cannot be fetched."""
    if not isinstance(message, dict) or str(message.get("Type")) not in _SIGNED:
        raise Unsigned("unreadable")
    algorithm = _HASHES.get(str(message.get("SignatureVersion")))
    url, given = message.get("SigningCertURL"), message.get("Signature")
    if algorithm is None or not isinstance(url, str) or not isinstance(given, str):
        raise Unsigned("unreadable")
    if not _CERTIFICATE_URL.fullmatch(url):
        raise Unsigned("certificate_of_another")
    try:
        signature, signed = base64.b64decode(given, validate=True), _signed(message)
        age = datetime.now(UTC) - datetime.fromisoformat(message["Timestamp"])
    except (ValueError, LookupError, TypeError):
        raise Unsigned("unreadable") from None
    try:
        _key(url, http, deadline).verify(signature, signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise Unsigned("wrong_signature") from None
    if abs(age) > LONGEST_AGE:
        raise Unsigned("stale")


def confirm(message: Mapping[str, Any], http: Client, deadline: Deadline) -> bool:
    """Accept the subscription that a verified message asks about; whether Amazon took it. Raises OutboundError."""
    url = message.get("SubscribeURL")
    if not isinstance(url, str) or not _CONFIRMATION_URL.fullmatch(url):
        return False
    return http.request("GET", url, deadline=deadline).status == HTTPStatus.OK


def _signed(message: Mapping[str, Any]) -> bytes:
    """Each name and value on a line of its own; a subject is left out where there is none."""
    names = [name for name in _SIGNED[message["Type"]] if name != "Subject" or message.get("Subject") is not None]
    return "".join(f"{name}\n{_text(message[name])}\n" for name in names).encode()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _key(url: str, http: Client, deadline: Deadline) -> rsa.RSAPublicKey:
    known = _keys(url)
    if not known:
        answer = http.request("GET", url, deadline=deadline)
        known.append(_read_key(answer.body) if answer.status == HTTPStatus.OK else None)
        if known[0] is None:
            known.clear()
            raise Unsigned("certificate_unavailable")
    return known[0]


@lru_cache(maxsize=32)
def _keys(url: str) -> list[Any]:
    """Room for the key of an address, which is another one whenever Amazon changes the key."""
    return []


def _read_key(pem: bytes) -> rsa.RSAPublicKey | None:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None
    is_valid = certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc
    key = certificate.public_key()
    return key if is_valid and isinstance(key, rsa.RSAPublicKey) else None
