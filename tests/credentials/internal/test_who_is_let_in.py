"""Four conditions, all of them: the gateway's address, its secret, its verdict, and an identity on the list."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import RequestFactory
from pytest_django import Settings
from rest_framework.request import Request

from integrationhub.core.errors import MtlsRequired
from integrationhub.core.mutual_tls import GATEWAY_HEADERS, ClientCertificate
from tests.core.envelopes import assert_envelope
from tests.credentials.internal.authority import BILLING_URI, Authority, Issued
from tests.credentials.internal.gateway import (
    ADDRESS,
    FORMATS,
    NEXT_SECRET,
    SECRET,
    STRANGER,
    Gateway,
    nginx,
    refusal,
)
from tests.make import Api, token

WRONG_SECRETS = {
    "empty": "",
    "cut short": SECRET[:-1],
    "too long": SECRET + "x",
    "in another case": SECRET.swapcase(),
    "twice": f"{SECRET},{SECRET}",
    "no ASCII": "ü" * 48,
}


@pytest.fixture(params=FORMATS)
def in_format(request: pytest.FixtureRequest, settings: Settings) -> Callable[[Issued], Gateway]:
    """A gateway that speaks the format that the hub is set to, for each format."""
    settings.MTLS_HEADER_FORMAT = request.param
    return lambda issued: Gateway(FORMATS[request.param](issued))


def test_a_listed_service_is_let_in_by_its_spiffe_id(
    in_format: Callable[[Issued], Gateway], billing: Issued, tenant: UUID
) -> None:
    assert in_format(billing).bind(tenant).status_code == 201


def test_a_listed_service_is_let_in_by_its_whole_subject(
    in_format: Callable[[Issued], Gateway], authority: Authority, tenant: UUID
) -> None:
    assert in_format(authority.issue()).bind(tenant).status_code == 201


@pytest.mark.parametrize(
    "subject", ["CN=intruder,OU=svc,O=Hub", r"CN=evil\,CN=billing,O=Hub", r"CN=billing\,OU=svc\,O=Hub", "CN=billing"]
)
def test_an_intruder_of_the_same_authority_is_not_let_in(
    in_format: Callable[[Issued], Gateway], authority: Authority, tenant: UUID, subject: str
) -> None:
    assert refusal(in_format(authority.issue(subject)).bind(tenant)) == "identity_not_allowed"


def test_an_expired_certificate_is_not_let_in(
    in_format: Callable[[Issued], Gateway], authority: Authority, tenant: UUID
) -> None:
    expired = authority.issue("CN=any", BILLING_URI, days=(-9, -1))
    assert refusal(in_format(expired).bind(tenant)) == "certificate_expired"


def test_only_the_gateways_address_is_believed(
    in_format: Callable[[Issued], Gateway], billing: Issued, tenant: UUID
) -> None:
    gateway = in_format(billing)
    for peer in (STRANGER, "10.9.0.8", "", "not an address", "::1"):
        gateway.peer = peer
        said = gateway.request("GET", f"/{tenant}/parcel_sms", X_Forwarded_For=ADDRESS, X_Real_IP=ADDRESS)
        assert refusal(said) == "untrusted_peer", peer


def test_an_ipv4_gateway_may_come_in_ipv6_clothes(gateway: Gateway, tenant: UUID) -> None:
    gateway.peer = f"::ffff:{ADDRESS}"
    assert gateway.bind(tenant).status_code == 201


@pytest.mark.parametrize("name", WRONG_SECRETS)
def test_only_who_knows_the_gateways_secret_is_believed(
    in_format: Callable[[Issued], Gateway], billing: Issued, tenant: UUID, name: str
) -> None:
    gateway = in_format(billing)
    gateway.headers["X-Gateway-Auth"] = WRONG_SECRETS[name]
    assert refusal(gateway.bind(tenant)) == "gateway_not_authenticated"
    del gateway.headers["X-Gateway-Auth"]
    assert refusal(gateway.bind(tenant)) == "gateway_not_authenticated"


def test_while_the_secret_is_changed_both_are_good(gateway: Gateway, settings: Settings, tenant: UUID) -> None:
    settings.MTLS_GATEWAY_SECRETS = [NEXT_SECRET, SECRET]
    assert gateway.bind(tenant).status_code == 201
    gateway.headers["X-Gateway-Auth"] = NEXT_SECRET
    assert gateway.bind(tenant).status_code == 201
    settings.MTLS_GATEWAY_SECRETS = [NEXT_SECRET]
    gateway.headers["X-Gateway-Auth"] = SECRET
    assert refusal(gateway.bind(tenant)) == "gateway_not_authenticated"


@pytest.mark.parametrize("verdict", ["NONE", "success", "SUCCESS,NONE", "FAILED:unable to verify"])
def test_what_nginx_did_not_verify_is_not_let_in(billing: Issued, tenant: UUID, verdict: str) -> None:
    gateway = Gateway(nginx(billing, **{"X-SSL-Client-Verify": verdict}))
    assert refusal(gateway.bind(tenant)) == "certificate_not_verified"


@pytest.mark.parametrize("spoken", FORMATS)
def test_headers_of_other_formats_are_not_read(
    in_format: Callable[[Issued], Gateway], billing: Issued, settings: Settings, tenant: UUID, spoken: str
) -> None:
    if spoken != settings.MTLS_HEADER_FORMAT:
        assert refusal(Gateway(FORMATS[spoken](billing)).bind(tenant)) == "certificate_not_verified"


@pytest.mark.parametrize(
    "over",
    [
        {"MTLS_TRUSTED_PROXY_CIDRS": [], "MTLS_GATEWAY_SECRETS": [], "MTLS_ALLOWED_IDENTITIES": []},
        {"MTLS_TRUSTED_PROXY_CIDRS": []},
        {"MTLS_GATEWAY_SECRETS": []},
        {"MTLS_GATEWAY_SECRETS": [""]},
        {"MTLS_ALLOWED_IDENTITIES": []},
        {"MTLS_ALLOWED_IDENTITIES": [BILLING_URI, "no identity"]},
        {"MTLS_TRUSTED_PROXY_CIDRS": [f"{ADDRESS}/32", "10.9.0.7/8"]},
        {"MTLS_HEADER_FORMAT": "auto"},
    ],
)
def test_a_trust_that_is_not_whole_lets_nobody_in(
    gateway: Gateway, settings: Settings, tenant: UUID, over: dict[str, Any]
) -> None:
    for name, value in over.items():
        setattr(settings, name, value)
    assert refusal(gateway.bind(tenant)) == "not_configured"
    gateway.headers["X-Gateway-Auth"] = ""
    assert refusal(gateway.bind(tenant)) == "not_configured"


def test_a_token_of_a_tenants_admin_is_no_certificate(api: Api) -> None:
    bearer = {"Authorization": f"Bearer {token(api.tenant)}", "x-tenant-id": str(api.tenant)}
    assert refusal(Gateway(bearer).read(api.tenant)) == "gateway_not_authenticated"
    assert refusal(Gateway(bearer, peer=STRANGER).read(api.tenant)) == "untrusted_peer"


def test_a_certificate_is_no_token(gateway: Gateway) -> None:
    answer = gateway.client.get("/integrationhub/v1/credentials", headers=gateway.headers, REMOTE_ADDR=gateway.peer)
    assert assert_envelope(answer, 401)["code"] == "ERR_INTEGRATION_HUB_SVC_UNAUTHORIZED"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_who_is_calling_is_asked_before_anything_else(gateway: Gateway, method: str) -> None:
    gateway.peer = STRANGER
    for path in ("/bind", f"/{uuid4()}/parcel_sms", "/no-uuid/nobody"):
        assert refusal(gateway.request(method, path, {"a": "\0"}, Accept="text/csv")) == "untrusted_peer"
    gateway.peer = ADDRESS
    assert_envelope(gateway.request("PUT", "/bind"), 405)
    assert_envelope(gateway.request("POST", "/bind", Accept="text/csv"), 406)


def test_a_refusal_tells_neither_the_secret_nor_the_list(
    billing: Issued, authority: Authority, tenant: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Gateway(nginx(authority.issue("CN=stranger")))
    wrong = Gateway(nginx(billing, **{"X-Gateway-Auth": NEXT_SECRET}))
    with caplog.at_level(logging.DEBUG):
        told = "".join(answer.content.decode() for answer in (stranger.read(tenant), wrong.read(tenant)))
    assert "stranger" not in told
    for hidden in (SECRET, NEXT_SECRET, BILLING_URI):
        assert hidden not in told
        assert not any(hidden in repr(vars(record)) for record in caplog.records)


def test_the_log_says_who_was_refused_and_why(
    authority: Authority, tenant: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    Gateway(nginx(authority.issue("CN=stranger,O=Hub"))).read(tenant)
    told = {record.getMessage(): vars(record) for record in caplog.records}
    assert told["mtls_identity_not_allowed"]["identity"] == "CN=stranger,O=Hub"
    assert (told["mtls_refused"]["peer"], told["mtls_refused"]["reason"]) == (ADDRESS, "identity_not_allowed")


@pytest.mark.parametrize("peer", [ADDRESS, STRANGER])
def test_no_later_code_finds_the_gateways_headers(billing: Issued, peer: str) -> None:
    """Nor Django's own copy of them, made before anyone was asked who is calling."""
    sent = {**FORMATS["nginx"](billing), **FORMATS["xfcc"](billing), **FORMATS["rfc9440"](billing)}
    plain = RequestFactory().get("/", headers={**sent, "Client-Cert-Chain": "a", "Accept": "b"}, REMOTE_ADDR=peer)
    assert plain.headers["X-Gateway-Auth"] == SECRET
    assert set(GATEWAY_HEADERS) <= set(plain.META)
    try:
        ClientCertificate().authenticate(Request(plain))
    except MtlsRequired:
        assert peer == STRANGER
    assert not set(GATEWAY_HEADERS) & set(plain.META)
    assert [name for name in plain.headers if name != "Cookie"] == ["Accept"]
