"""Whether a response signs somebody in: the rules of the Web Browser SSO profile, none of them optional.

https://docs.oasis-open.org/security/saml/v2.0/saml-profiles-2.0-os.pdf, section 4.1.4. What is told of a person is read
from the signed bytes alone; what stands around them can only refuse.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.x509 import Certificate

from oauth.saml.documents import DS, SAML, SAMLP, decoded, parsed, text_of
from oauth.saml.errors import SamlDecode
from oauth.saml.signatures import signed_assertion

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

SKEW = timedelta(seconds=60)
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
# A condition that is not understood makes an assertion unusable (core, section 2.5.1.1); these bind nobody but us.
CONDITIONS = {f"{SAML}{name}" for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")}


@dataclass(frozen=True, slots=True)
class Expected:
    """From whom, to whom and where a response is to come."""

    issuer: str
    certificates: Sequence[Certificate]
    audience: str
    acs_url: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an identity provider vouches for; `valid_until` is when it may no longer be used."""

    id: str
    issuer: str
    subject: str
    name_id_format: str | None
    attributes: dict[str, list[str]]
    session_index: str | None
    in_response_to: str | None
    valid_until: datetime


def assertion_in(saml_response: str, expected: Expected, now: datetime | None = None) -> Assertion:
    """The one assertion of a response, valid now. Whether it answers a request of ours, and only once, the caller asks.

    Raises SamlDecode for anything else.
    """
    now = now or datetime.now(UTC)
    response = parsed(decoded(saml_response))
    _check_response(response)
    signed = signed_assertion(response, _only_assertion(response), expected.certificates, now)
    _check_addresses(response, signed, expected)
    confirmed = _confirmation(signed, expected, now)
    ends = [_check_conditions(signed, expected, now), _time(confirmed, "NotOnOrAfter"), _session_end(signed, now)]
    in_response_to = confirmed.get("InResponseTo")
    if response.get("InResponseTo", in_response_to) != in_response_to:
        raise SamlDecode("in_response_to")
    return _told(signed, in_response_to, min(end for end in ends if end is not None))


def _check_response(response: "Element") -> None:
    """What can be said before any signature is looked at."""
    if response.tag != f"{SAMLP}Response" or response.get("Version") != "2.0":
        raise SamlDecode("not_a_response")
    ids = Counter(
        value
        for element in response.iter()
        for name, value in element.attrib.items()
        if str(name).rpartition("}")[2].lower() == "id"
    )
    if any(count > 1 for count in ids.values()):
        raise SamlDecode("duplicate_ids")
    codes = [code.get("Value") for code in response.findall(f"{SAMLP}Status/{SAMLP}StatusCode")]
    if codes != [SUCCESS]:
        raise SamlDecode("status")


def _only_assertion(response: "Element") -> "Element":
    if next(response.iter(f"{SAML}EncryptedAssertion"), None) is not None:
        raise SamlDecode("encrypted_assertion_unsupported")
    assertions = list(response.iter(f"{SAML}Assertion"))
    if len(assertions) > 1:
        raise SamlDecode("several_assertions")
    if not assertions or assertions[0].getparent() is not response:
        raise SamlDecode("no_assertion")
    return assertions[0]


def _check_addresses(response: "Element", assertion: "Element", expected: Expected) -> None:
    issuers = [_text(each) for each in (*assertion.findall(f"{SAML}Issuer"), *response.findall(f"{SAML}Issuer"))]
    if assertion.find(f"{SAML}Issuer") is None or set(issuers) != {expected.issuer}:
        raise SamlDecode("issuer")
    # A response that is signed names its address (bindings, section 3.5.5.2).
    destination = response.get("Destination")
    is_signed = response.find(f"{DS}Signature") is not None
    if destination != expected.acs_url and (destination is not None or is_signed):
        raise SamlDecode("destination")


def _confirmation(assertion: "Element", expected: Expected, now: datetime) -> "Element":
    """The data of the bearer confirmation that holds here and now; else what is wrong with the last one."""
    refusal = SamlDecode("malformed")
    for confirmation in assertion.findall(f"{SAML}Subject/{SAML}SubjectConfirmation"):
        data = confirmation.find(f"{SAML}SubjectConfirmationData")
        if confirmation.get("Method") != BEARER or data is None or data.get("NotOnOrAfter") is None:
            continue
        try:
            _check_bearer(data, expected, now)
        except SamlDecode as error:
            refusal = error
        else:
            return data
    raise refusal


def _check_bearer(data: "Element", expected: Expected, now: datetime) -> None:
    if data.get("Recipient") != expected.acs_url:
        raise SamlDecode("recipient")
    _check_times(data, now)


def _check_conditions(assertion: "Element", expected: Expected, now: datetime) -> datetime | None:
    """Until when they hold, if they say."""
    found = assertion.findall(f"{SAML}Conditions")
    if len(found) != 1 or not {str(each.tag) for each in found[0]} <= CONDITIONS:
        raise SamlDecode("malformed")
    [conditions] = found
    _check_times(conditions, now)
    restrictions = conditions.findall(f"{SAML}AudienceRestriction")
    audiences = [{_text(each) for each in restriction.findall(f"{SAML}Audience")} for restriction in restrictions]
    if not audiences or not all(expected.audience in named for named in audiences):
        raise SamlDecode("audience")
    return _time(conditions, "NotOnOrAfter")


def _check_times(element: "Element", now: datetime) -> None:
    begin, end = _time(element, "NotBefore"), _time(element, "NotOnOrAfter")
    if begin is not None and now + SKEW < begin:
        raise SamlDecode("not_yet_valid")
    if end is not None and now - SKEW >= end:
        raise SamlDecode("expired")


def _session_end(assertion: "Element", now: datetime) -> datetime | None:
    """When the session at the identity provider ends, if it says; there is one, since without it nobody signed in."""
    statement = assertion.find(f"{SAML}AuthnStatement")
    if statement is None:
        raise SamlDecode("malformed")
    end = _time(statement, "SessionNotOnOrAfter")
    if end is not None and now - SKEW >= end:
        raise SamlDecode("expired")
    return end


def _time(element: "Element", name: str) -> datetime | None:
    if (text := element.get(name)) is None:
        return None
    try:
        read = datetime.fromisoformat(text)
        if read.tzinfo is None:
            raise SamlDecode("malformed")
        return read.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise SamlDecode("malformed") from error


def _told(assertion: "Element", in_response_to: str | None, valid_until: datetime) -> Assertion:
    name_ids = assertion.findall(f"{SAML}Subject/{SAML}NameID")
    if len(name_ids) != 1 or not (subject := _text(name_ids[0])):
        raise SamlDecode("malformed")
    attributes: dict[str, list[str]] = {}
    for attribute in assertion.findall(f"{SAML}AttributeStatement/{SAML}Attribute"):
        values = attributes.setdefault(attribute.get("Name", ""), [])
        values += [text_of(value) for value in attribute.findall(f"{SAML}AttributeValue")]
    statement = assertion.find(f"{SAML}AuthnStatement")
    return Assertion(
        id=assertion.get("ID", ""),
        issuer=_text(assertion.find(f"{SAML}Issuer")),
        subject=subject,
        name_id_format=name_ids[0].get("Format"),
        attributes=attributes,
        session_index=None if statement is None else statement.get("SessionIndex"),
        in_response_to=in_response_to,
        valid_until=valid_until,
    )


def _text(element: "Element | None") -> str:
    return "" if element is None else text_of(element).strip()
