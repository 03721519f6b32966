"""Which signature a response has, what it covers, and by which algorithms, before anything is believed of it.

The rules are those of SAML core, section 5.4 (https://docs.oasis-open.org/security/saml/v2.0/saml-core-2.0-os.pdf), and
of what wrapping attacks taught (https://www.usenix.org/system/files/conference/usenixsecurity12/sec12-final91.pdf).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography.x509 import Certificate

from oauth.saml.documents import DIGESTS, DS, EXCLUSIVE, SAML, SIGNATURE_METHODS, TRANSFORMS, vouched_for
from oauth.saml.errors import SamlDecode

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

ALLOWED = {
    f"{DS}CanonicalizationMethod": EXCLUSIVE,
    f"{DS}SignatureMethod": SIGNATURE_METHODS,
    f"{DS}DigestMethod": DIGESTS,
    f"{DS}Transform": TRANSFORMS,
}


def signed_assertion(
    response: "Element", assertion: "Element", certificates: Sequence[Certificate], now: datetime
) -> "Element":
    """The assertion as it was signed, by itself or with its response; where both are, both hold.

    Raises SamlDecode: unsigned, signature, algorithm, certificate_expired.
    """
    signatures = list(response.iter(f"{DS}Signature"))
    if not signatures:
        raise SamlDecode("unsigned")
    parents = [each for each in (response, assertion) if each.find(f"{DS}Signature") is not None]
    if len(signatures) != len(parents):
        raise SamlDecode("signature")
    for parent in parents:
        for signature in parent.iterfind(f"{DS}Signature"):
            _check(signature, parent.get("ID", ""))
    valid = [each for each in certificates if each.not_valid_before_utc <= now <= each.not_valid_after_utc]
    if not valid:
        raise SamlDecode("certificate_expired")
    return _assertion_of([vouched_for(response, parent, valid) for parent in parents])


def _check(signature: "Element", its_id: str) -> None:
    """It has one reference, to the element that it stands in, and uses nothing that is not allowed."""
    if [each.get("URI") for each in signature.iter(f"{DS}Reference")] != [f"#{its_id}"]:
        raise SamlDecode("signature")
    if any(each.get("Algorithm") not in ALLOWED[str(each.tag)] for each in signature.iter(*ALLOWED)):
        raise SamlDecode("algorithm")


def _assertion_of(signed: Iterable["Element"]) -> "Element":
    """Of what was vouched for, the assertion, whether it is that itself or stands in it."""
    for element in signed:
        found = element if element.tag == f"{SAML}Assertion" else element.find(f"{SAML}Assertion")
        if found is not None:
            return found
    raise SamlDecode("signature")
