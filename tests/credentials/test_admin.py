from datetime import UTC, datetime, timedelta
from typing import Any
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


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, ["in use"]),
        ({"failing_since": datetime(2026, 1, 2, tzinfo=UTC)}, ["in use, refused"]),
        ({"status": "pending"}, ["on trial"]),
        ({"status": "rolled_back"}, ["rolled back"]),
        ({"expires_at": datetime(2026, 1, 2, tzinfo=UTC)}, ["expired on 2026-01-02"]),
        ({"expires_at": datetime.now(UTC) + timedelta(days=5, hours=23)}, ["(5 days left)"]),
    ],
)
def test_operators_read_what_state_a_credential_is_in(
    operator: Client, credential: Credential, columns: dict[str, Any], words: list[str]
) -> None:
    Credential.objects.using("system").filter(id=credential.id).update(**columns)
    for path in ("", f"{credential.id}/change/"):
        page = operator.get(f"/admin/credentials/credential/{path}").content.decode()
        assert [word for word in words if word not in page] == []
