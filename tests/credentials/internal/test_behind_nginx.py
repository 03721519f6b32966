"""Real TLS, a real nginx as it is documented, the real server: who gets at a secret, and who does not."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.credentials.internal import servers
from tests.credentials.internal.authority import BILLING_SUBJECT, BILLING_URI, SERVER, Authority, Issued
from tests.credentials.internal.gateway import MTLS_REQUIRED, SECRET, nginx
from tests.credentials.internal.servers import NGINX_ADDRESS, OUTSIDE_ADDRESS, Answer, Stage

pytestmark = pytest.mark.slow

TOKEN = "0123456789abcdef0123456789abcdef"
TWILIO = {"provider_key": "twilio_sms", "credentials": {"account_sid": "AC" + "0" * 32, "auth_token": TOKEN}}
Shown = Callable[[Issued], tuple[Path, Path]]


@pytest.fixture(scope="module")
def stage(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with (
        servers.hub(**servers.TRUST) as hub_port,
        servers.behind_nginx(tmp_path_factory.mktemp("nginx"), authority, hub_port) as stage,
    ):
        yield stage


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return lambda issued: issued.written(tmp_path, "client")


def path_of(tenant: UUID) -> str:
    return f"/integrationhub/v1/internal/credentials/{tenant}/twilio_sms"


def bound(stage: Stage, tenant: UUID, by: tuple[Path, Path]) -> Answer:
    body = json.dumps({"tenant_id": str(tenant), "verify": False, **TWILIO}).encode()
    return stage.ask("POST", "/integrationhub/v1/internal/credentials/bind", by=by, body=body)


def reason(answer: Answer) -> str:
    body = json.loads(answer.body)
    assert (answer.status, body["code"]) == (401, MTLS_REQUIRED), answer
    return body["details"]["reason"]


@pytest.mark.parametrize(("subject", "uris"), [("CN=any", [BILLING_URI]), (BILLING_SUBJECT, [])])
def test_a_listed_service_binds_and_reads(
    stage: Stage, authority: Authority, shown: Shown, tenant: UUID, subject: str, uris: list[str]
) -> None:
    by = shown(authority.issue(subject, *uris))
    assert bound(stage, tenant, by).status == 201
    answer = stage.ask("GET", path_of(tenant), by=by)
    assert (answer.status, json.loads(answer.body)["credentials"]) == (200, TWILIO["credentials"])
    assert answer.headers["cache-control"] == "no-store"


def test_without_a_certificate_nobody_is_let_in(stage: Stage, tenant: UUID) -> None:
    assert reason(stage.ask("GET", path_of(tenant))) == "certificate_not_verified"


def test_a_certificate_of_another_authority_does_not_pass_nginx(stage: Stage, shown: Shown, tenant: UUID) -> None:
    by = shown(Authority().issue("CN=any", BILLING_URI))
    answer = stage.ask("GET", path_of(tenant), by=by)
    assert (answer.status, answer.is_json) == (400, False)


@pytest.mark.parametrize("fault", ["for servers only", "expired"])
def test_a_certificate_that_is_not_good_for_clients_now_does_not_pass_nginx(
    stage: Stage, authority: Authority, shown: Shown, tenant: UUID, fault: str
) -> None:
    faulty = (
        authority.issue("CN=any", BILLING_URI, usage=SERVER)
        if fault == "for servers only"
        else authority.issue("CN=any", BILLING_URI, days=(-9, -1))
    )
    answer = stage.ask("GET", path_of(tenant), by=shown(faulty))
    assert (answer.status, answer.is_json) == (400, False)


@pytest.mark.parametrize(
    ("subject", "uris"),
    [
        ("CN=intruder,OU=svc,O=Hub", []),
        (r"CN=evil\,CN=billing,O=Hub", []),
        (r"CN=billing\,OU=svc\,O=Hub", []),
        (BILLING_SUBJECT, ["spiffe://hub.example/ns/prod/sa/intruder"]),
    ],
)
def test_an_intruder_of_our_authority_is_not_let_in(
    stage: Stage, authority: Authority, shown: Shown, tenant: UUID, subject: str, uris: list[str]
) -> None:
    by = shown(authority.issue(subject, *uris))
    assert (
        reason(bound(stage, tenant, by)) == reason(stage.ask("GET", path_of(tenant), by=by)) == "identity_not_allowed"
    )


def forged(billing: Issued) -> list[tuple[str, str]]:
    """All that would let one in, in every spelling, twice each."""
    headers = [*nginx(billing).items(), ("Client-Cert", billing.byte_sequence)]
    spelled = [(name, value) for name, value in headers for name in (name, name.replace("-", "_"), name.lower())]
    return [*spelled, ("X-Forwarded-For", NGINX_ADDRESS)]


def test_what_a_client_forges_does_not_pass_nginx(
    stage: Stage, authority: Authority, shown: Shown, billing: Issued, tenant: UUID
) -> None:
    assert reason(stage.ask("GET", path_of(tenant), *forged(billing))) == "certificate_not_verified"
    intruder = shown(authority.issue("CN=intruder"))
    assert reason(stage.ask("GET", path_of(tenant), *forged(billing), by=intruder)) == "identity_not_allowed"


@pytest.mark.parametrize(
    "spelled",
    [
        "/integrationhub/v1/%69nternal/credentials/{}",
        "/integrationhub/v1%2Finternal/credentials/{}",
        "/integrationhub/v1/internal%2Fcredentials/{}",
        "/integrationhub/v1//internal/credentials/{}",
        "/integrationhub//v1/internal/credentials/{}",
        "/x/../integrationhub/v1/internal/credentials/{}",
        "/integrationhub/v1/internal/../internal/credentials/{}",
        "/integrationhub/v1/INTERNAL/credentials/{}",
        "/integrationhub/v1/internal;x/credentials/{}",
    ],
)
def test_no_spelling_of_the_path_lets_forged_headers_through(
    stage: Stage, authority: Authority, shown: Shown, billing: Issued, tenant: UUID, spelled: str
) -> None:
    assert bound(stage, tenant, shown(authority.issue())).status == 201
    answer = stage.ask("GET", spelled.format(f"{tenant}/twilio_sms"), *forged(billing))
    assert answer.status in (400, 401, 404), answer
    assert TOKEN not in answer.body.decode()


def test_past_nginx_its_secret_is_asked_for(stage: Stage, billing: Issued, tenant: UUID) -> None:
    """From nginx's own address, as from a process beside it."""
    for guess in ("", "a" * 64, f"{SECRET},{SECRET}"):
        headers = nginx(billing, **{"X-Gateway-Auth": guess}).items()
        assert reason(stage.ask_hub("GET", path_of(tenant), *headers, address=NGINX_ADDRESS)) == (
            "gateway_not_authenticated"
        )


def test_past_nginx_its_address_is_asked_for(stage: Stage, billing: Issued, tenant: UUID) -> None:
    """From elsewhere, with the secret that somebody has let slip."""
    headers = [*nginx(billing).items(), ("X-Forwarded-For", NGINX_ADDRESS), ("Forwarded", f"for={NGINX_ADDRESS}")]
    assert reason(stage.ask_hub("GET", path_of(tenant), *headers, address=OUTSIDE_ADDRESS)) == "untrusted_peer"
    known = stage.ask_hub("GET", path_of(tenant), *headers, address=NGINX_ADDRESS)
    assert (known.status, json.loads(known.body)["code"]) == (404, "ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND")


def test_a_verdict_that_comes_twice_is_none(stage: Stage, billing: Issued, tenant: UUID) -> None:
    for verdict in ("NONE", "SUCCESS"):
        headers = [*nginx(billing).items(), ("X-SSL-Client-Verify", verdict)]
        assert reason(stage.ask_hub("GET", path_of(tenant), *headers, address=NGINX_ADDRESS)) == (
            "certificate_not_verified"
        )


def test_a_header_spelled_with_underscores_is_none(stage: Stage, billing: Issued, tenant: UUID) -> None:
    headers = [(name.replace("-", "_"), value) for name, value in nginx(billing).items()]
    answer = stage.ask_hub("GET", path_of(tenant), *headers, address=NGINX_ADDRESS)
    assert reason(answer) == "gateway_not_authenticated"
