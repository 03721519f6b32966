"""A tenant with an identity provider, and one request that it may answer."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from integrationhub.audit import refusals
from integrationhub.core.tenancy import tenant_scope
from oauth.saml.models import SignInRequest
from tests.make import Api
from tests.saml.issuing import ISSUER, REQUEST, SSO_URL, Key, Order, make_key


@pytest.fixture(scope="session")
def key() -> Key:
    return make_key()


@pytest.fixture(scope="session")
def other_key() -> Key:
    return make_key(name="evil.example")


@pytest.fixture
def good(key: Key, tenant: UUID) -> Order:
    return Order(key, tenant)


@pytest.fixture(autouse=True)
def nobody_was_refused() -> None:
    refusals.windows.forget()


def configured(api: Api, *keys: Key, **over: object) -> dict:
    body = {"entity_id": ISSUER, "sso_url": SSO_URL, "certificates": [key.pem for key in keys], **over}
    answer = api.put("/saml/idp", body)
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.fixture
def idp(api: Api, key: Key) -> dict:
    """The tenant's identity provider, and the request that good responses answer."""
    with tenant_scope(api.tenant):
        asked = SignInRequest(tenant_id=api.tenant, id=REQUEST, relay_state="/welcome?tab=1")
        asked.expires_at = datetime.now(UTC) + timedelta(minutes=10)
        asked.save(force_insert=True)
    return configured(api, key)
