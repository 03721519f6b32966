import pytest
from pytest_django import Settings

from tests.credentials.internal.authority import BILLING_SUBJECT, BILLING_URI, Authority, Issued
from tests.credentials.internal.gateway import ADDRESS, SECRET, Gateway, nginx


@pytest.fixture(autouse=True)
def _trust(settings: Settings) -> None:
    settings.MTLS_TRUSTED_PROXY_CIDRS = [f"{ADDRESS}/32"]
    settings.MTLS_GATEWAY_SECRETS = [SECRET]
    settings.MTLS_ALLOWED_IDENTITIES = [BILLING_URI, BILLING_SUBJECT]
    settings.MTLS_HEADER_FORMAT = "nginx"


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def billing(authority: Authority) -> Issued:
    """By the SPIFFE id that the trust names."""
    return authority.issue("CN=any", BILLING_URI)


@pytest.fixture
def gateway(billing: Issued) -> Gateway:
    return Gateway(nginx(billing))
