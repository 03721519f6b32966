"""What an attacker makes of a good response, by name, and the reason for which each must be refused.

The wrappings are the eight of "On Breaking SAML" (USENIX Security 2012), numbered as SAML Raider numbers them, and two
more. None needs the identity provider's key; what does (`LIES`) is said by our own.
"""

import base64
import re
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any
from uuid import UUID

from lxml import etree
from signxml import DigestAlgorithm, SignatureMethod

from tests.saml.issuing import NS, RESPONDER, acs_url, entity_id

MALLORY = "mallory@evil.example"
SAML, SAMLP, DS = (f"{{{NS[prefix]}}}" for prefix in ("saml", "samlp", "ds"))
OTHER_TENANT = UUID("0197a6b2-9999-7222-8333-444455556666")
Element = Any


def _root(xml: str) -> Element:
    return etree.fromstring(xml.encode())


def _text(root: Element) -> bytes:
    return etree.tostring(root)


def _assertion(root: Element) -> Element:
    return root.find(f"{SAML}Assertion")


def _without_signature(element: Element) -> Element:
    """A copy, and the signature that stood in it."""
    copy = deepcopy(element)
    copy.remove(copy.find(f"{DS}Signature"))
    return copy


def _evil(element: Element, *, keeps_id: bool = False) -> Element:
    """A copy that names somebody else, under IDs of its own."""
    copy = deepcopy(element)
    for signature in copy.findall(f".//{DS}Signature"):
        signature.getparent().remove(signature)
    for name in copy.iter(f"{SAML}NameID"):
        name.text = MALLORY
    for each in copy.iter(f"{SAML}Assertion", f"{SAMLP}Response"):
        if not keeps_id:
            each.set("ID", f"_evil{each.get('ID')}")
    return copy


def xsw1(xml: str) -> bytes:
    """The signed response inside the signature of a forged one."""
    root = _root(xml)
    forged, signature = _evil(root), deepcopy(root.find(f"{DS}Signature"))
    signature.append(_without_signature(root))
    forged.insert(1, signature)
    return _text(forged)


def xsw2(xml: str) -> bytes:
    """The signed response beside its signature, in a forged one."""
    root = _root(xml)
    forged, signature = _evil(root), deepcopy(root.find(f"{DS}Signature"))
    forged.insert(1, _without_signature(root))
    forged.insert(2, signature)
    return _text(forged)


def xsw3(xml: str) -> bytes:
    """A forged assertion before the signed one."""
    root = _root(xml)
    _assertion(root).addprevious(_evil(_assertion(root)))
    return _text(root)


def xsw4(xml: str) -> bytes:
    """The signed assertion inside a forged one."""
    root = _root(xml)
    signed = _assertion(root)
    forged = _evil(signed)
    root.replace(signed, forged)
    forged.append(signed)
    return _text(root)


def xsw5(xml: str) -> bytes:
    """The signature in a forged assertion, what it signs at the end."""
    root = _root(xml)
    signed = _assertion(root)
    forged = _evil(signed)
    forged.insert(1, deepcopy(signed.find(f"{DS}Signature")))
    root.replace(signed, forged)
    root.append(_without_signature(signed))
    return _text(root)


def xsw6(xml: str) -> bytes:
    """The signature in a forged assertion, what it signs inside the signature."""
    root = _root(xml)
    signed = _assertion(root)
    forged, signature = _evil(signed), deepcopy(signed.find(f"{DS}Signature"))
    signature.append(_without_signature(signed))
    forged.insert(1, signature)
    root.replace(signed, forged)
    return _text(root)


def xsw7(xml: str) -> bytes:
    """A forged assertion in Extensions, whose content no schema checks."""
    root = _root(xml)
    extensions = etree.Element(f"{SAMLP}Extensions")
    extensions.append(_evil(_assertion(root)))
    _assertion(root).addprevious(extensions)
    return _text(root)


def xsw8(xml: str) -> bytes:
    """The signature in a forged assertion, what it signs in an Object of the signature."""
    root = _root(xml)
    signed = _assertion(root)
    forged, signature = _evil(signed), deepcopy(signed.find(f"{DS}Signature"))
    etree.SubElement(signature, f"{DS}Object").append(_without_signature(signed))
    forged.insert(1, signature)
    root.replace(signed, forged)
    return _text(root)


def signed_in_extensions(xml: str) -> bytes:
    """The signed assertion put away in Extensions, a forged one in its place."""
    root = _root(xml)
    signed = _assertion(root)
    root.replace(signed, _evil(signed))
    etree.SubElement(root, f"{SAMLP}Extensions").append(signed)
    return _text(root)


def only_in_extensions(xml: str) -> bytes:
    """The signed assertion, and no other, where none is looked for."""
    root = _root(xml)
    signed = _assertion(root)
    root.remove(signed)
    etree.SubElement(root, f"{SAMLP}Extensions").append(signed)
    return _text(root)


def duplicate_id(xml: str) -> bytes:
    """A forged assertion under the ID of the signed one."""
    root = _root(xml)
    _assertion(root).addprevious(_evil(_assertion(root), keeps_id=True))
    return _text(root)


def id_taken(xml: str) -> bytes:
    """The ID of what is signed on another element, in another spelling."""
    root = _root(xml)
    status = root.find(f"{SAMLP}Status")
    status.set("Id", _assertion(root).get("ID"))
    return _text(root)


def two_assertions(xml: str) -> bytes:
    root = _root(xml)
    again = deepcopy(_assertion(root))
    again.set("ID", "_again")
    again.find(f"{DS}Signature").attrib.pop("Id", None)
    root.append(again)
    return _text(root)


def unsigned(xml: str) -> bytes:
    root = _root(xml)
    for signature in root.findall(f".//{DS}Signature"):
        signature.getparent().remove(signature)
    return _text(root)


def tampered(xml: str) -> str:
    return xml.replace("ada@example.com", "bob@example.com")


def tampered_time(xml: str) -> str:
    return re.sub(r'NotOnOrAfter="20\d\d', 'NotOnOrAfter="2099', xml)


def moved_signature(xml: str) -> bytes:
    """The signature of the assertion as if it were the response's."""
    root = _root(xml)
    signature = _assertion(root).find(f"{DS}Signature")
    root.insert(1, signature)
    return _text(root)


def far_signature(xml: str) -> bytes:
    """The signature where no signature stands."""
    root = _root(xml)
    root.find(f"{SAMLP}Status").append(_assertion(root).find(f"{DS}Signature"))
    return _text(root)


def two_signatures(xml: str) -> bytes:
    root = _root(xml)
    signature = _assertion(root).find(f"{DS}Signature")
    again = deepcopy(signature)
    again.attrib.pop("Id", None)
    signature.addnext(again)
    return _text(root)


def stray_signature(xml: str) -> bytes:
    """A good signature, and one more where none stands."""
    root = _root(xml)
    stray = deepcopy(_assertion(root).find(f"{DS}Signature"))
    stray.attrib.pop("Id", None)
    root.find(f"{SAMLP}Status").append(stray)
    return _text(root)


def two_signed_infos(xml: str) -> bytes:
    root = _root(xml)
    information = root.find(f".//{DS}SignedInfo")
    information.addprevious(deepcopy(information))
    return _text(root)


def two_references(xml: str) -> bytes:
    root = _root(xml)
    reference = root.find(f".//{DS}Reference")
    reference.addnext(deepcopy(reference))
    return _text(root)


def whole_document(xml: str) -> bytes:
    """A reference to whatever document the signature stands in."""
    root = _root(xml)
    root.find(f".//{DS}Reference").set("URI", "")
    return _text(root)


def digest_comment(xml: str) -> str:
    """The forged digest before a comment, the true one after it."""
    return re.sub(r"(<(?:\w+:)?DigestValue>)", r"\1AAAA<!-- -->", xml)


def xslt(xml: str) -> bytes:
    """A transform that runs a program of the attacker's."""
    return _with_transform(xml, "http://www.w3.org/TR/1999/REC-xslt-19991116")


def xpath(xml: str) -> bytes:
    """A transform that takes the forged parts out of what is signed."""
    return _with_transform(xml, "http://www.w3.org/TR/1999/REC-xpath-19991116")


def _with_transform(xml: str, algorithm: str) -> bytes:
    root = _root(xml)
    etree.SubElement(root.find(f".//{DS}Transforms"), f"{DS}Transform").set("Algorithm", algorithm)
    return _text(root)


def inclusive(xml: str) -> str:
    """A canonical form that depends on what stands around it."""
    other = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
    return re.sub(r'(CanonicalizationMethod Algorithm=")[^"]*', rf"\g<1>{other}", xml)


def xxe(xml: str) -> str:
    return '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + xml.replace("ada@", "&x;ada@")


def bomb(xml: str) -> str:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE r [<!ENTITY e0 "ha">{entities}]>' + xml.replace("ada@", "&e11;ada@")


def doctype(xml: str) -> str:
    return "<!DOCTYPE Response>" + xml


def declared_doctype(xml: str) -> str:
    return '<?xml version="1.0"?>\n<!-- -->\n<!DOCTYPE Response>' + xml


def undeclared_entity(xml: str) -> str:
    return xml.replace("ada@", "&x;ada@")


def processing_instruction(xml: str) -> str:
    return xml.replace("ada@", "ada<?x y?>@")


def style_sheet(xml: str) -> str:
    return '<?xml-stylesheet href="https://evil.example"?>' + xml


def other_encoding(xml: str) -> bytes:
    """A DOCTYPE that a look at the bytes does not find."""
    return b"\xff\xfe" + doctype(xml).encode("utf-16-le")


def silent_encoding(xml: str) -> bytes:
    """The same, without a word of it: every byte is also one of UTF-8."""
    return doctype(xml).encode("utf-16-le")


def declared_encoding(xml: str) -> bytes:
    return b'<?xml version="1.0" encoding="utf-7"?>' + doctype(xml).replace("<!", "+ADwAIQ-").encode()


def encrypted(xml: str) -> bytes:
    root = _root(xml)
    signed = _assertion(root)
    root.replace(signed, etree.Element(f"{SAML}EncryptedAssertion"))
    return _text(root)


def logout(xml: str) -> str:
    return re.sub(r"(\w+):Response\b", r"\1:LogoutResponse", xml)


def old_version(xml: str) -> str:
    return xml.replace('Version="2.0"', 'Version="1.1"')


def second_status(xml: str) -> bytes:
    root = _root(xml)
    etree.SubElement(root.find(f"{SAMLP}Status"), f"{SAMLP}StatusCode").set("Value", RESPONDER)
    return _text(root)


# name -> (what is signed, what is made of it, the reason)
FORGERIES: dict[str, tuple[tuple[str, ...], Callable[[str], str | bytes], str]] = {
    "xsw1": (("response",), xsw1, "several_assertions"),
    "xsw2": (("response",), xsw2, "several_assertions"),
    **{make.__name__: (("assertion",), make, "several_assertions") for make in (xsw3, xsw4, xsw5, xsw6, xsw7, xsw8)},
    "signed in Extensions": (("assertion",), signed_in_extensions, "several_assertions"),
    "duplicate ID": (("assertion",), duplicate_id, "duplicate_ids"),
    "ID taken": (("assertion",), id_taken, "duplicate_ids"),
    "two assertions": (("assertion",), two_assertions, "several_assertions"),
    "only in Extensions": (("assertion",), only_in_extensions, "no_assertion"),
    "unsigned": (("assertion",), unsigned, "unsigned"),
    "tampered": (("assertion",), tampered, "signature"),
    "tampered response": (("response",), tampered, "signature"),
    "tampered, both signed": (("assertion", "response"), tampered, "signature"),
    "tampered time": (("assertion",), tampered_time, "signature"),
    "moved signature": (("assertion",), moved_signature, "signature"),
    "far signature": (("assertion",), far_signature, "signature"),
    "two signatures": (("assertion",), two_signatures, "signature"),
    "stray signature": (("assertion",), stray_signature, "signature"),
    "two SignedInfo": (("assertion",), two_signed_infos, "signature"),
    "two references": (("assertion",), two_references, "signature"),
    "reference to the document": (("response",), whole_document, "signature"),
    "digest comment": (("assertion",), digest_comment, "signature"),
    "XSLT transform": (("assertion",), xslt, "algorithm"),
    "XPath transform": (("assertion",), xpath, "algorithm"),
    "inclusive canonical form": (("assertion",), inclusive, "algorithm"),
    "XXE": (("assertion",), xxe, "doctype"),
    "entity bomb": (("assertion",), bomb, "doctype"),
    "bare DOCTYPE": (("assertion",), doctype, "doctype"),
    "DOCTYPE after a declaration": (("assertion",), declared_doctype, "doctype"),
    "entity that nothing declares": (("assertion",), undeclared_entity, "not_xml"),
    "processing instruction": (("assertion",), processing_instruction, "processing_instruction"),
    "style sheet": (("assertion",), style_sheet, "processing_instruction"),
    "DOCTYPE in UTF-16": (("assertion",), other_encoding, "not_xml"),
    "DOCTYPE in UTF-16 without a mark": (("assertion",), silent_encoding, "not_xml"),
    "DOCTYPE in UTF-7": (("assertion",), declared_encoding, "not_xml"),
    "empty encrypted assertion": (("assertion",), encrypted, "encrypted_assertion_unsupported"),
    "another message": (("assertion",), logout, "not_a_response"),
    "SAML 1.1": (("assertion",), old_version, "not_a_response"),
    "a second status": (("assertion",), second_status, "status"),
    "no XML": ((), lambda _: "who are you?", "not_xml"),
    "nothing": ((), lambda _: "", "not_xml"),
    "NUL before it": ((), lambda xml: b"\0" + xml.encode(), "not_xml"),
}

HOUR = timedelta(hours=1)
# name -> (what is said otherwise, the reason). All are signed as a good one is.
LIES: dict[str, tuple[dict[str, Any], str]] = {
    "wrong audience": ({"audience": "https://other.example/metadata"}, "audience"),
    "audience of another tenant": ({"audience": entity_id(OTHER_TENANT)}, "audience"),
    "two restrictions, one of which we meet": (
        {
            "conditions": "<saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience>"
            "</saml:AudienceRestriction>"
        },
        "audience",
    ),
    "wrong recipient": ({"recipient": "https://other.example/acs"}, "recipient"),
    "recipient of another tenant": ({"recipient": acs_url(OTHER_TENANT)}, "recipient"),
    "wrong destination": ({"destination": "https://other.example/acs"}, "destination"),
    "signed without a destination": ({"destination": "none", "sign": ("response",)}, "destination"),
    "for another tenant's ACS": ({"tenant": OTHER_TENANT}, "destination"),
    "wrong issuer": ({"issuer": "https://other.example/metadata"}, "issuer"),
    "request that nobody made": ({"in_response_to": "id-" + "00" * 20}, "in_response_to"),
    "answers two requests": ({"answered": "id-" + "00" * 20}, "in_response_to"),
    "answers no request": ({"in_response_to": ""}, "in_response_to"),
    "answers one outside alone": ({"in_response_to": "", "answered": "id-" + "5a" * 20}, "in_response_to"),
    "expired": ({"ends": timedelta(seconds=-61)}, "expired"),
    "confirmation expired": ({"confirmed_until": timedelta(seconds=-61)}, "expired"),
    "session over": ({"session_until": timedelta(seconds=-61)}, "expired"),
    "not yet valid": ({"begins": timedelta(seconds=65)}, "not_yet_valid"),
    "a time without a zone": ({"until": "2099-01-01T00:00:00"}, "malformed"),
    "no time": ({"until": "tomorrow"}, "malformed"),
    "a time after the last": ({"until": "9999-12-31T23:59:59-23:00"}, "malformed"),
    "status Responder": ({"status": RESPONDER}, "status"),
    "not for who bears it": ({"confirmation": "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"}, "malformed"),
    "condition that nobody knows": ({"conditions": '<saml:Condition xmlns:x="urn:x"/>'}, "malformed"),
    "nobody signed in": ({"statement": False}, "malformed"),
    "without a subject": ({"subject": " "}, "malformed"),
    "SHA-1 signature": ({"method": SignatureMethod.RSA_SHA1}, "algorithm"),
    "SHA-1 digest": ({"digest": DigestAlgorithm.SHA1}, "algorithm"),
    "SHA-224": ({"method": SignatureMethod.RSA_SHA224}, "algorithm"),
    "HMAC key confusion": ({"method": SignatureMethod.HMAC_SHA256}, "algorithm"),
}


def base64_with_junk(xml: str) -> str:
    """What lenient decoders skip, and a filter before them may not."""
    text = base64.b64encode(xml.encode()).decode()
    return text[:40] + "!*" + text[40:]
