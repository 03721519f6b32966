"""XML that strangers wrote: read without trust, and the part of it that a certificate vouches for.

The libraries are imported here alone, and late: they take as long to load as a tenth of the hub, and most processes
never see a response.
"""

import base64
import re
from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import Certificate

from oauth.saml.errors import SamlDecode

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

MAX_BASE64 = 256 * 1024
SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"
DS = "{http://www.w3.org/2000/09/xmldsig#}"

_DECLARATION = re.compile(r"<\?xml\s[^<>]*\?>")
# What signxml and lxml raise for documents that are made to hurt. What it is does not matter: nothing was vouched for.
_UNVERIFIABLE = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, UnsupportedAlgorithm)


def decoded(response: str) -> bytes:
    """The bytes of a `SAMLResponse`, which some break into lines. Raises SamlDecode: too_large, not_base64."""
    if len(response) > MAX_BASE64:
        raise SamlDecode("too_large")
    try:
        return base64.b64decode(re.sub(r"[ \t\r\n]", "", response), validate=True)
    except ValueError as error:
        raise SamlDecode("not_base64") from error


def parsed(document: bytes) -> "Element":
    """The root element, comments left out. Raises SamlDecode: not_xml, doctype, processing_instruction.

    What declares or includes anything is refused before a parser reads it, and no encoding but UTF-8 is, so that
    nothing is hidden from that look.
    """
    try:
        text = _DECLARATION.sub("", document.decode("utf-8-sig").lstrip(), count=1)
    except UnicodeDecodeError as error:
        raise SamlDecode("not_xml") from error
    if "<!DOCTYPE" in text:
        raise SamlDecode("doctype")
    if "<?" in text:
        raise SamlDecode("processing_instruction")
    etree, _ = _libraries()
    try:
        return etree.fromstring(text.encode(), _parser())
    except etree.XMLSyntaxError as error:
        raise SamlDecode("not_xml") from error


def text_of(element: "Element") -> str:
    """All the text in it, so that nothing that was put between its parts can cut it short."""
    return "".join(map(str, element.itertext()))


def vouched_for(root: "Element", parent: "Element", certificates: Iterable[Certificate]) -> "Element":
    """What the signature in `parent` (the root, or a child of it) signs, read anew from the very bytes that it signs.

    Raises SamlDecode (signature) if none of the certificates made it. Keys in the message count for nothing.
    """
    etree, signxml = _libraries()
    settings = signxml.SignatureConfiguration(
        location="./" if parent is root else f"./{parent.tag}/",
        expect_references=1,
        require_x509=True,
        signature_methods=frozenset(map(signxml.SignatureMethod, SIGNATURE_METHODS)),
        digest_algorithms=frozenset(map(signxml.DigestAlgorithm, DIGESTS)),
        ignore_ambiguous_key_info=True,
    )
    for certificate in certificates:
        verifier: Any = signxml.XMLVerifier()
        try:
            signed = verifier.verify(
                root, x509_cert=certificate, expect_config=settings, id_attribute="ID", parser=_parser()
            ).signed_xml
        except (signxml.exceptions.SignXMLException, etree.LxmlError, *_UNVERIFIABLE):
            continue
        if signed is not None:
            return signed
    raise SamlDecode("signature")


# Names of https://www.w3.org/TR/xmldsig-core1/#sec-AlgID. SHA-1, HMAC and DSA are not among them.
EXCLUSIVE = {f"http://www.w3.org/2001/10/xml-exc-c14n#{comments}" for comments in ("", "WithComments")}
TRANSFORMS = {*EXCLUSIVE, "http://www.w3.org/2000/09/xmldsig#enveloped-signature"}
SIGNATURE_METHODS = {
    f"http://www.w3.org/2001/04/xmldsig-more#{kind}-sha{bits}" for kind in ("rsa", "ecdsa") for bits in (256, 384, 512)
}
DIGESTS = {
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
}


@cache
def _libraries() -> tuple[ModuleType, ModuleType]:
    import signxml  # noqa: PLC0415  Slow, see above.
    from lxml import etree  # noqa: PLC0415  Slow, see above.

    return etree, signxml


def _parser() -> Any:
    """One kind of parser for what is looked at and for what is verified."""
    etree, _ = _libraries()
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
    )
