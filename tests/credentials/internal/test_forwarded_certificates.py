"""What gateways write of a certificate, read to the letter; whatever is written otherwise is refused."""

import base64
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509

from integrationhub.core.client_certificates import (
    READERS,
    Identity,
    from_nginx,
    from_rfc9440,
    from_xfcc,
    read_identity,
    read_subject,
    shown,
)
from integrationhub.core.errors import MtlsRequired
from tests.credentials.internal.authority import BILLING_SUBJECT, BILLING_URI, Authority, Issued

INTRUDER_URI = "spiffe://hub.example/ns/prod/sa/intruder"
BILLING = read_subject(BILLING_SUBJECT)


def by_nginx(**headers: str) -> Identity:
    verified = {"VERIFY": "SUCCESS", **headers}
    return from_nginx({f"HTTP_X_SSL_CLIENT_{name}": value for name, value in verified.items()}).identity()


def by_xfcc(header: str) -> Identity:
    return from_xfcc({"HTTP_X_FORWARDED_CLIENT_CERT": header}).identity()


def by_rfc9440(header: str) -> Identity:
    return from_rfc9440({"HTTP_CLIENT_CERT": header}).identity()


def reason(read: Any, *given: str, **named: str) -> str:
    with pytest.raises(MtlsRequired) as refused:
        read(*given, **named)
    return refused.value.details["reason"]


def in_every_format(issued: Issued) -> list[tuple[Any, dict[str, str]]]:
    return [
        (READERS["nginx"], {"HTTP_X_SSL_CLIENT_VERIFY": "SUCCESS", "HTTP_X_SSL_CLIENT_CERT": issued.escaped}),
        (READERS["xfcc"], {"HTTP_X_FORWARDED_CLIENT_CERT": f'Cert="{issued.escaped}"'}),
        (READERS["rfc9440"], {"HTTP_CLIENT_CERT": issued.byte_sequence}),
    ]


def test_a_certificate_reads_the_same_in_each_format(authority: Authority) -> None:
    by_uri, by_subject = authority.issue("CN=any", BILLING_URI), authority.issue()
    assert [read(headers).identity() for read, headers in in_every_format(by_uri)] == [BILLING_URI] * 3
    assert [read(headers).identity() for read, headers in in_every_format(by_subject)] == [BILLING] * 3


@pytest.mark.parametrize("days", [(-9, -1), (1, 9)], ids=["expired", "not valid yet"])
def test_a_certificate_out_of_its_time_is_refused_in_each_format(authority: Authority, days: tuple[int, int]) -> None:
    issued = authority.issue(days=days)
    assert {reason(*given) for given in in_every_format(issued)} == {"certificate_expired"}


def test_a_spiffe_id_stands_above_the_subject_of_its_certificate(authority: Authority) -> None:
    """Who may choose a subject does not thereby choose who it is."""
    issued = authority.issue(BILLING_SUBJECT, INTRUDER_URI)
    assert [read(headers).identity() for read, headers in in_every_format(issued)] == [INTRUDER_URI] * 3


def test_two_uris_beside_a_spiffe_id_are_no_identity(authority: Authority) -> None:
    for other in (BILLING_URI, "https://hub.example"):
        issued = authority.issue("CN=any", INTRUDER_URI, other)
        assert {reason(lambda r, h: r(h).identity(), *given) for given in in_every_format(issued)} == {
            "ambiguous_identity"
        }


def test_uris_that_are_no_spiffe_id_leave_the_subject(authority: Authority) -> None:
    issued = authority.issue(BILLING_SUBJECT, "https://hub.example", "https://hub.example/2")
    assert [read(headers).identity() for read, headers in in_every_format(issued)] == [BILLING] * 3


@pytest.mark.parametrize(
    "verdict", ["", "success", "Success", " SUCCESS", "SUCCESS,NONE", "SUCCESS,SUCCESS", "NONE", "FAILED:expired"]
)
def test_nginx_has_verified_only_what_it_calls_exactly_success(billing: Issued, verdict: str) -> None:
    assert reason(by_nginx, VERIFY=verdict, CERT=billing.escaped) == "certificate_not_verified"
    assert reason(from_nginx, {"HTTP_X_SSL_CLIENT_CERT": billing.escaped}) == "certificate_not_verified"  # type: ignore[arg-type]


SUBJECTS = {
    "escaped comma": (r"CN=evil\,CN=billing,O=Hub", ["evil,CN=billing", "Hub"]),
    "comma in hex": (r"CN=evil\2CCN=billing,O=Hub", ["evil,CN=billing", "Hub"]),
    "quote": (r"CN=a\"b,O=Hub", ['a"b', "Hub"]),
    "trailing backslash": (r"CN=a\\,O=Hub", ["a\\", "Hub"]),
    "plus": (r"CN=a\+OU=b,O=Hub", ["a+OU=b", "Hub"]),
    "leading and trailing space": (r"CN=\ a\ ,O=Hub", [" a ", "Hub"]),
    "UTF-8 in hex": (r"CN=caf\C3\A9,O=Hub", ["café", "Hub"]),
    "equals sign": ("CN=a=b,O=Hub", ["a=b", "Hub"]),
    "number of an attribute": ("2.5.4.3=billing,O=Hub", ["billing", "Hub"]),
    "OpenSSL's own short name": ("emailAddress=a@hub.example,CN=b", ["a@hub.example", "b"]),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_is_read_by_its_parts(name: str) -> None:
    text, values = SUBJECTS[name]
    identity = by_nginx(S_DN=text)
    assert isinstance(identity, x509.Name)
    assert [attribute.value for attribute in reversed(list(identity))] == values
    assert by_xfcc(f'Hash=ab;Subject="{text}"') == identity


@pytest.mark.parametrize(
    "other",
    [
        r"CN=billing\,OU=svc\,O=Hub",
        "CN=billing,OU=svc",
        "O=Hub,OU=svc,CN=billing",
        "CN=billing+OU=svc,O=Hub",
        "CN=Billing,OU=svc,O=Hub",
        "CN=billing,OU=svc,O=Hub,C=DE",
        "CN=other,CN=billing,OU=svc,O=Hub",
        r"CN=billing\00,OU=svc,O=Hub",
    ],
)
def test_a_name_that_resembles_another_is_another(other: str) -> None:
    assert by_nginx(S_DN=other) != BILLING


@pytest.mark.parametrize("spelled", ["2.5.4.3=billing,OU=svc,O=Hub", r"CN=b\69lling,OU=svc,O=Hub"])
def test_a_name_may_be_spelled_in_several_ways(spelled: str) -> None:
    assert by_nginx(S_DN=spelled) == BILLING


@pytest.mark.parametrize(
    "text", ["", "billing", "CN=", "CN=a,", "CN=a, O=b", "/CN=a/O=b", 'CN="a"', "XX=a", r"CN=a\zz", "CN=a\\", "CN=#zz"]
)
def test_what_is_no_subject_is_refused(text: str) -> None:
    assert reason(by_nginx, S_DN=text) == "malformed_certificate"
    with pytest.raises(ValueError, match=r"^no "):
        read_identity(text)


def test_what_is_no_single_certificate_is_refused(authority: Authority) -> None:
    good = authority.issue()
    for pem in (
        good.pem + good.pem,
        good.pem.replace("CERTIFICATE", "PUBLIC KEY"),
        "x" + good.pem,
        good.pem[:-60],
        good.pem.replace("MII", "MIX", 1),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        good.pem.replace("\n", "\t", 1) + "\0",
    ):
        assert reason(by_nginx, CERT=quote(pem)) == "malformed_certificate", pem
        assert reason(by_xfcc, f'Cert="{quote(pem, safe="")}"') == "malformed_certificate", pem


def test_the_certificate_is_believed_before_what_nginx_says_of_its_subject(authority: Authority) -> None:
    assert by_nginx(CERT=authority.issue("CN=intruder").escaped, S_DN=BILLING_SUBJECT) == read_subject("CN=intruder")


ELEMENTS = {
    "a quoted value": f'Hash=ab;URI="{INTRUDER_URI}"',
    "names in any case": f"HASH=ab;uRi={INTRUDER_URI}",
    "a comma and a semicolon in quotes": f'Subject="CN=a\\,URI={BILLING_URI}\\;b";URI={INTRUDER_URI}',
    "quotes escaped in quotes": f'Subject="CN=a\\"\\;URI={BILLING_URI}\\;X=\\"b";URI={INTRUDER_URI}',
    "a backslash before the closing quote": f'Subject="CN=a\\\\";URI={INTRUDER_URI}',
    "names of hosts at the end": f"URI={INTRUDER_URI};DNS=a.example;DNS=b.example",
    "an empty subject": f'By=;Hash=ab;Subject="";URI={INTRUDER_URI}',
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_one_element_of_xfcc_is_read(name: str) -> None:
    assert by_xfcc(ELEMENTS[name]) == INTRUDER_URI


def test_xfcc_believes_the_certificate_before_the_names_beside_it(billing: Issued, authority: Authority) -> None:
    other = authority.issue("CN=any", INTRUDER_URI)
    assert by_xfcc(f'Cert="{other.escaped}";Subject="{BILLING_SUBJECT}";URI={BILLING_URI}') == INTRUDER_URI
    assert reason(by_xfcc, f'Cert="{billing.escaped}",Cert="{other.escaped}"') == "malformed_certificate"


@pytest.mark.parametrize("uri", [f"https://x/,URI={BILLING_URI}", f"https://x/, URI={BILLING_URI}"])
def test_a_uri_that_looks_like_another_element_lets_nobody_in(authority: Authority, uri: str) -> None:
    intruder = authority.issue("CN=any", uri)
    assert reason(by_xfcc, f'Hash=ab;Cert="{intruder.escaped}";URI={uri}') == "malformed_certificate"
    assert reason(by_xfcc, f"Hash=ab;URI={uri}") == "malformed_certificate"


def test_a_uri_that_looks_like_another_member_lets_nobody_in(billing: Issued) -> None:
    for member in (f'Subject="{BILLING_SUBJECT}"', f'Cert="{billing.escaped}"'):
        assert reason(by_xfcc, f"Hash=ab;URI=https://x/;{member}") == "malformed_certificate"


MALFORMED = {
    "a second element": f"URI={BILLING_URI},URI={INTRUDER_URI}",
    "a space before a second element": f"URI={BILLING_URI}, URI={BILLING_URI}",
    "quote left open": 'URI="spiffe://a/b',
    "backslash before the last quote": 'URI="spiffe://a/b\\"',
    "text after a quoted value": f'Subject="CN=a"b;URI={BILLING_URI}',
    "quote inside a plain value": f'URI=a"b;URI={BILLING_URI}',
    "no value": f"URI;URI={BILLING_URI}",
    "no name": f"={BILLING_URI}",
    "nothing between semicolons": f"Hash=ab;;URI={BILLING_URI}",
    "ends with a comma": f"URI={BILLING_URI},",
    "ends with a semicolon": f"URI={BILLING_URI};",
    "begins with a comma": f",URI={BILLING_URI}",
    "two subjects": f'Subject="{BILLING_SUBJECT}";Subject="CN=a"',
    "neither name nor certificate": "By=spiffe://a/b;Hash=ab",
    "empty names": 'Subject="";URI=',
    # Envoy writes these unquoted, so that a certificate for the host `a;URI=...` looks like this.
    "a member after the name of a host": f'Subject="CN=a";DNS=a;URI={BILLING_URI}',
    "an element after the name of a host": f'Subject="CN=a";DNS=a,URI={BILLING_URI}',
    "an element that hides the name of a host": f"URI={INTRUDER_URI};DNS=a,By=b;URI={BILLING_URI}",
    "an element of hosts after the name of a host": f"URI={INTRUDER_URI};DNS=a,DNS=b;URI={BILLING_URI}",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_xfcc_is_refused(name: str) -> None:
    assert reason(by_xfcc, MALFORMED[name]) == "malformed_certificate"


def test_two_certificates_in_one_element_are_refused(billing: Issued) -> None:
    assert reason(by_xfcc, f'Cert="{billing.escaped}";Cert="{billing.escaped}"') == "malformed_certificate"


def test_several_uris_in_one_element_are_no_identity() -> None:
    assert reason(by_xfcc, f"URI={INTRUDER_URI};URI={BILLING_URI}") == "ambiguous_identity"


def test_without_a_header_nothing_was_verified() -> None:
    assert [reason(read, {}) for read in READERS.values()] == ["certificate_not_verified"] * 3  # type: ignore[arg-type]
    assert reason(by_xfcc, "") == reason(by_rfc9440, "") == "certificate_not_verified"


def test_rfc9440_is_one_byte_sequence_and_nothing_else(billing: Issued) -> None:
    good, der = billing.byte_sequence, billing.byte_sequence.strip(":")
    assert by_rfc9440(good) == BILLING_URI
    url_safe = der.replace("+", "-").replace("/", "_") + "-"
    short = base64.b64encode(b"0\x03\x02\x01\x01").decode()
    for bad in (
        der,
        f":{der}",
        f"{good},{good}",
        f"{good};a=1",
        f" {good}",
        f":{url_safe}:",
        f":{der[:-5]}:",
        f":{short}:",
        "::",
        f'"{der}"',
        quote(billing.pem),
    ):
        assert reason(by_rfc9440, bad) == "malformed_certificate", bad[:40]


@pytest.mark.parametrize(
    "text",
    [
        "spiffe://hub.example",
        "spiffe://hub.example/",
        "spiffe://hub.example//a",
        "spiffe://hub.example/a/",
        "spiffe://hub.example/../a",
        "spiffe://hub.example/*",
        "spiffe://Hub.example/a",
        "SPIFFE://hub.example/a",
        "spiffe:///a",
        "spiffe://hub.example:8443/a",
        "spiffe://hub.example/a?b",
        "https://hub.example/a",
    ],
)
def test_what_is_no_spiffe_id_of_a_workload_cannot_be_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no "):
        read_identity(text)


def test_an_identity_is_shown_as_it_would_be_configured() -> None:
    assert [shown(read_identity(text)) for text in (BILLING_URI, BILLING_SUBJECT)] == [BILLING_URI, BILLING_SUBJECT]
