"""Signing in by SAML, from the hub's own address to the identity provider and back; each answer is taken once."""

import base64
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml import DigestAlgorithm, SignatureMethod

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import schedules
from oauth.saml import certificates, signing_in, tasks
from oauth.saml.documents import parsed, text_of
from oauth.saml.errors import SamlDecode
from oauth.saml.models import SignInRequest, UsedAssertion
from oauth.saml.validating import Expected, assertion_in
from tests.audit.reading import trail_of
from tests.make import Api, keyed
from tests.saml.conftest import configured
from tests.saml.issuing import (
    ISSUER,
    NS,
    REQUEST,
    SUBJECT,
    Key,
    Order,
    acs_url,
    entity_id,
    made,
    make_key,
    posted,
)

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Origin": "https://idp.example"}


def reason(answer: Any) -> str:
    assert (answer.status_code, answer.json()["code"]) == (400, "ERR_SAML_DECODE"), answer.content
    return answer.json()["details"]["reason"]


def form(tenant: UUID, xml: str, relay_state: str = "", **headers: str) -> Any:
    """As the identity provider's page posts it."""
    client, body = (
        Client(raise_request_exception=False, enforce_csrf_checks=True),
        urlencode(form_body(xml, relay_state)),
    )
    return client.post(f"/saml/acs/{tenant}", body, content_type="application/x-www-form-urlencoded", headers=headers)


def form_body(xml: str, relay_state: str = "") -> dict[str, str]:
    return {"SAMLResponse": posted(xml), "RelayState": relay_state}


def login(tenant: UUID, **query: str) -> Any:
    return Client(raise_request_exception=False).get("/saml/login", {"tenant_id": str(tenant), **query})


def asked(location: str) -> Any:
    """The AuthnRequest that a browser carries there."""
    [packed] = parse_qs(urlsplit(location).query)["SAMLRequest"]
    return etree.fromstring(zlib.decompress(base64.b64decode(packed), -zlib.MAX_WBITS))


def count(model: Any) -> int:
    return model.objects.using("system").count()


@pytest.mark.parametrize("sign", [("assertion",), ("response",), ("assertion", "response")])
def test_a_good_response_tells_who_signed_in(api: Api, idp: dict, good: Order, sign: tuple[str, ...]) -> None:
    answer = api.post("/saml/acs", {"SAMLResponse": posted(made(good.but(sign=sign)))})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body.pop("valid_until") > datetime.now(UTC).isoformat()
    assert body == {
        "subject": SUBJECT,
        "name_id_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
        "attributes": {"groups": ["staff", "admins"]},
        "session_index": "_s1",
        "issuer": ISSUER,
        "assertion_id": good.assertion_id,
        "in_response_to": REQUEST,
        "relay_state": "/welcome?tab=1",
    }


@pytest.mark.parametrize("bits", [256, 384, 512])
@pytest.mark.parametrize("curve", [None, ec.SECP256R1()])
def test_rsa_and_elliptic_curves_are_taken_with_sha_2(api: Api, idp: dict, good: Order, bits: int, curve: Any) -> None:
    key = make_key(curve=curve) if curve else good.key
    configured(api, key)
    method = SignatureMethod[f"{'ECDSA' if curve else 'RSA'}_SHA{bits}"]
    order = good.but(key=key, method=method, digest=DigestAlgorithm[f"SHA{bits}"])
    assert api.post("/saml/acs", {"SAMLResponse": posted(made(order))}).status_code == 200


def test_a_name_is_read_whole_whatever_comments_cut_it(api: Api, idp: dict, good: Order) -> None:
    """CVE-2018-0489 and its like: the comment can be put in by whoever owns the longer name."""
    xml = made(good.but(subject="ada@example.com.evil.example"))
    cut = xml.replace("ada@example.com.evil", "ada@example.com<!-- -->.evil").replace(">staff<", ">st<!-- -->aff<")
    body = api.post("/saml/acs", {"SAMLResponse": posted(cut)}).json()
    assert (body["subject"], body["attributes"]["groups"][0]) == ("ada@example.com.evil.example", "staff")


def test_comments_are_no_part_of_a_document() -> None:
    root = parsed(b"<a>x<!-- y -->z</a>")
    assert (list(root), text_of(root)) == ([], "xz")


def test_a_value_that_is_an_element_is_read_as_its_text(api: Api, idp: dict, good: Order) -> None:
    """As that of eduPersonTargetedID is."""
    order = good.but(group="<saml:NameID>ada</saml:NameID>")
    assert api.post("/saml/acs", form_body(made(order))).json()["attributes"]["groups"] == ["ada", "admins"]


def test_during_a_rotation_the_old_and_the_new_certificate_are_taken(
    api: Api, idp: dict, good: Order, other_key: Key
) -> None:
    xml = made(good)
    configured(api, other_key)
    assert reason(api.post("/saml/acs", form_body(xml))) == "signature"
    configured(api, other_key, good.key)
    assert api.post("/saml/acs", form_body(xml)).status_code == 200


def test_clocks_may_differ_by_a_minute(api: Api, idp: dict, good: Order) -> None:
    late = timedelta(seconds=-50)
    order = good.but(begins=timedelta(seconds=50), ends=late, confirmed_until=late, session_until=late)
    assert api.post("/saml/acs", form_body(made(order))).status_code == 200


def test_an_assertion_is_used_once(api: Api, idp: dict, good: Order) -> None:
    response = form_body(made(good))
    assert api.post("/saml/acs", response).status_code == 200
    assert reason(api.post("/saml/acs", response)) == "replayed"
    assert reason(form(api.tenant, made(good))) == "replayed"


def test_a_request_is_answered_once(api: Api, idp: dict, good: Order) -> None:
    assert api.post("/saml/acs", form_body(made(good))).status_code == 200
    assert count(SignInRequest) == 0
    another = made(good.but(assertion_id=f"_{uuid4().hex}"))
    assert reason(api.post("/saml/acs", form_body(another))) == "in_response_to"
    assert count(UsedAssertion) == 1, "what was refused is not used up"


def test_a_request_is_not_answered_after_ten_minutes(api: Api, idp: dict, good: Order) -> None:
    SignInRequest.objects.using("system").update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert reason(api.post("/saml/acs", form_body(made(good)))) == "in_response_to"


@pytest.mark.parametrize("is_same", [True, False], ids=["one response", "many answers to one request"])
def test_of_twenty_at_once_one_signs_in(api: Api, idp: dict, good: Order, is_same: bool) -> None:
    ids = [good.assertion_id if is_same else f"_{uuid4().hex}" for _ in range(20)]
    responses = [posted(made(good.but(assertion_id=each))) for each in ids]
    for each in {"default", "system"}:
        connections[each].close()

    def hand_in(response: str) -> str:
        try:
            return signing_in.sign_in(tenant_id=api.tenant, saml_response=response).assertion.subject
        except SamlDecode as refusal:
            return refusal.reason
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as crowd:
        told = list(crowd.map(hand_in, responses))
    assert sorted(told) == sorted([SUBJECT, *["replayed" if is_same else "in_response_to"] * 19])


def test_the_same_key_gets_the_same_answer_again(api: Api, idp: dict, good: Order) -> None:
    key, response = keyed(), form_body(made(good))
    first, second = (api.post("/saml/acs", response, **key) for _ in range(2))
    assert (first.status_code, first.content) == (200, second.content)
    assert second["Idempotent-Replayed"] == "true"


def test_signing_in_begins_with_a_request_that_only_its_answer_ends(api: Api, key: Key) -> None:
    configured(api, key)
    away = login(api.tenant, RelayState="/orders/7")
    assert away.status_code == 302
    assert away["Location"].startswith("https://idp.example/sso?app=hub&SAMLRequest=")
    assert "no-store" in away["Cache-Control"]
    assert parse_qs(urlsplit(away["Location"]).query)["RelayState"] == ["/orders/7"]
    request = asked(away["Location"])
    assert request.tag == f"{{{NS['samlp']}}}AuthnRequest"
    assert request.get("AssertionConsumerServiceURL") == acs_url(api.tenant)
    assert request.get("Destination") == "https://idp.example/sso?app=hub"
    assert request.findtext(f"{{{NS['saml']}}}Issuer") == entity_id(api.tenant)
    back = form(api.tenant, made(Order(key, api.tenant, in_response_to=request.get("ID"))), "/elsewhere", **BROWSER)
    page = back.content.decode()
    assert (back.status_code, back["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>Signed in as {SUBJECT}</h1>" in page
    assert '<a href="/orders/7">Continue</a>' in page, "the way on is the one that the request kept"
    assert "no-store" in back["Cache-Control"]
    assert back.cookies == {}


def test_a_long_way_back_is_kept_here_and_not_sent_along(api: Api, key: Key) -> None:
    """Identity providers need not carry more than 80 bytes."""
    configured(api, key)
    away = login(api.tenant, RelayState=f"/{'x' * 500}")
    assert "RelayState" not in away["Location"]
    answer = form(api.tenant, made(Order(key, api.tenant, in_response_to=asked(away["Location"]).get("ID"))))
    assert answer.json()["relay_state"] == f"/{'x' * 500}"


OUTWARD = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/a//evil.example",
    "evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/ä",
    f"/{'x' * 512}",
]


@pytest.mark.parametrize("relay_state", OUTWARD)
def test_nobody_is_led_away_from_the_hub(api: Api, idp: dict, good: Order, relay_state: str) -> None:
    refused = login(api.tenant, RelayState=relay_state)
    assert (refused.status_code, refused.json()["details"]["fields"][0]["field"]) == (400, "RelayState")
    assert count(SignInRequest) == 1
    assert reason(form(api.tenant, made(good), relay_state)) == "relay_state"


def test_a_sign_in_that_began_at_the_identity_provider_is_taken_where_it_is_allowed(
    api: Api, idp: dict, good: Order
) -> None:
    unasked = made(good.but(in_response_to=""))
    configured(api, good.key, allow_idp_initiated=True)
    answer = form(api.tenant, unasked, "/welcome", Accept="application/json")
    assert (answer.json()["in_response_to"], answer.json()["relay_state"]) == (None, "/welcome")
    assert reason(form(api.tenant, unasked)) == "replayed"
    unknown = made(good.but(in_response_to="id-" + "00" * 20, assertion_id="_b"))
    assert reason(form(api.tenant, unknown)) == "in_response_to"


def test_a_browser_is_told_on_a_page_why_it_was_refused(api: Api, idp: dict, good: Order) -> None:
    page = form(api.tenant, made(good.but(audience="https://other.example")), **BROWSER)
    assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "the assertion is for another service provider" in page.content.decode()
    assert "/docs/errors/ERR_SAML_DECODE" in page.content.decode()
    assert SUBJECT not in page.content.decode()


def test_a_page_shows_names_as_text(api: Api, idp: dict, good: Order) -> None:
    page = form(api.tenant, made(good.but(subject="&lt;script&gt;alert(1)&lt;/script&gt;")), **BROWSER)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.content.decode()
    assert "<script>alert" not in page.content.decode()


def test_a_tenant_without_an_identity_provider_signs_nobody_in(api: Api, good: Order) -> None:
    assert reason(login(api.tenant)) == "not_configured"
    assert reason(form(api.tenant, made(good))) == "not_configured"
    assert reason(api.post("/saml/acs", form_body(made(good)))) == "not_configured"
    assert trail_of(api.tenant) == []


@pytest.mark.parametrize(
    "path", ["/saml/login", "/saml/metadata", "/saml/login?tenant_id=7", "/saml/metadata?tenant_id="]
)
def test_which_tenant_must_be_said(path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer.json()["details"]["fields"][0]["field"]) == (400, "tenant_id")


def test_the_addresses_for_browsers_answer_to_their_own_method_and_form_alone(tenant: UUID) -> None:
    client = Client(raise_request_exception=False)
    for answer in (client.get(f"/saml/acs/{tenant}"), client.post("/saml/login"), client.post("/saml/metadata")):
        assert (answer.status_code, answer.json()["details"]["reason"]) == (405, "method_not_allowed")
        assert answer["Allow"] in ("GET", "POST")
    answer = client.post(f"/saml/acs/{tenant}", {"SAMLResponse": "x"}, content_type="application/json")
    assert (answer.status_code, answer.json()["details"]["reason"]) == (415, "unsupported_media_type")
    assert client.post("/saml/acs/7").status_code == 404


@pytest.mark.parametrize("body", [{}, {"SAMLResponse": 7.5, "RelayState": []}, {"SAMLResponse": None}])
def test_a_body_without_a_response_is_no_request(api: Api, idp: dict, body: dict) -> None:
    answer = api.post("/saml/acs", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST")


def test_who_signed_in_and_what_was_refused_is_in_the_trail(api: Api, idp: dict, good: Order) -> None:
    assert form(api.tenant, made(good)).status_code == 200
    for _ in range(3):
        assert reason(form(api.tenant, made(good))) == "replayed"
        assert reason(api.post("/saml/acs", form_body("<a/>"))) == "not_a_response"
    _set, accepted, *refused = trail_of(api.tenant)
    assert (accepted.action, accepted.actor) == ("sign_in.accepted", "unknown")
    assert accepted.about == f"identity_provider:{idp['id']}"
    assert accepted.details["subject"] == SUBJECT
    assert [(each.action, each.actor, each.details["reason"]) for each in refused] == [
        ("denied.sign_in", "unknown", "replayed"),
        ("denied.sign_in", "tester", "not_a_response"),
    ]


def test_what_is_over_is_forgotten_by_schedule(api: Api, idp: dict, good: Order) -> None:
    assert tasks.forget_past_sign_ins.name in [schedule.task for schedule in schedules.SCHEDULES]
    now = datetime.now(UTC)
    with tenant_scope(api.tenant):
        for seconds in (-70, -50):  # The second could still be used, were it not for its row.
            until = now + timedelta(seconds=seconds)
            UsedAssertion.objects.create(tenant_id=api.tenant, digest=str(seconds), expires_at=until)
        SignInRequest(tenant_id=api.tenant, id="id-over", expires_at=now - timedelta(seconds=1)).save(force_insert=True)
    tasks.forget_past_sign_ins()
    assert list(UsedAssertion.objects.using("system").values_list("digest", flat=True)) == ["-50"]
    assert list(SignInRequest.objects.using("system").values_list("id", flat=True)) == [REQUEST]


def test_an_assertion_is_remembered_for_as_long_as_it_could_be_used(api: Api, idp: dict, good: Order) -> None:
    order = good.but(ends=timedelta(minutes=3), confirmed_until=timedelta(minutes=2))
    assert api.post("/saml/acs", form_body(made(order))).status_code == 200
    [used] = UsedAssertion.objects.using("system").all()
    assert timedelta(seconds=90) < used.expires_at - datetime.now(UTC) <= timedelta(minutes=2)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_response_with_any_byte_changed_tells_of_nobody_else(key: Key, data: st.DataObject) -> None:
    """Whatever it is, the answer is a refusal or the very person that was signed, and never a fault of ours."""
    tenant = UUID(int=7)
    xml = bytearray(made(Order(key, tenant)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        xml[data.draw(st.integers(0, len(xml) - 1))] = data.draw(st.integers(0, 255))
    certificate = certificates.load(key.pem)
    try:
        told = assertion_in(posted(bytes(xml)), Expected(ISSUER, [certificate], entity_id(tenant), acs_url(tenant)))
    except SamlDecode:
        return
    assert (told.subject, told.attributes) == (SUBJECT, {"groups": ["staff", "admins"]})
