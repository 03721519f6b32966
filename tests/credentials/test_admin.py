from uuid import UUID

import pytest
from django.test import Client

from credentials import binding
from credentials.models import Credential

TOKEN = "a-long-auth-token-1234"


@pytest.fixture
def credential(tenant: UUID) -> Credential:
    return binding.bind(tenant_id=tenant, provider_key="parcel_sms", secrets={"account": "AC1", "auth_token": TOKEN})


def test_operators_see_what_is_bound_and_neither_secret_nor_ciphertext(
    operator: Client, credential: Credential
) -> None:
    listed = operator.get("/admin/credentials/credential/")
    shown = operator.get(f"/admin/credentials/credential/{credential.id}/change/")
    for page in (listed, shown):
        text = page.content.decode()
        assert page.status_code == 200
        assert "parcel_sms" in text
        assert TOKEN not in text
        assert bytes(credential.sealed).hex() not in text
        assert "sealed" not in text


def test_operators_change_nothing_here(operator: Client, credential: Credential) -> None:
    assert operator.get("/admin/credentials/credential/add/").status_code == 403
    assert operator.post(f"/admin/credentials/credential/{credential.id}/delete/", {"post": "yes"}).status_code == 403


def test_keys_have_no_page(operator: Client) -> None:
    assert operator.get("/admin/credentials/tenantkey/").status_code == 404
