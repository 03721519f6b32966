from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections
from pytest_django import Settings

from credentials import binding, refusals
from credentials.errors import CredentialBindFailed, CredentialExpired
from credentials.models import Credential
from integrationhub.core.tenancy import tenant_scope
from providers.models import Provider
from tests.credentials.adapters import BREAKING, REFUSED, UNREACHABLE

SECRETS = {"account": "AC1", "auth_token": "a-long-auth-token-1234"}


def bind(tenant: UUID, **over: object) -> Credential:
    return binding.bind(**{"tenant_id": tenant, "provider_key": "parcel_sms", "secrets": SECRETS, **over})


def revealed(tenant: UUID) -> dict[str, Any]:
    return binding.opened(binding.in_use(tenant_id=tenant)["parcel_sms"])


def versions(tenant: UUID) -> list[tuple[int, str]]:
    with tenant_scope(tenant):
        return list(Credential.objects.for_tenant(tenant).order_by("version").values_list("version", "status"))


def let_expire(credential: Credential) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE credentials_credential SET expires_at = now() WHERE id = %s", [credential.id])


def test_what_was_bound_is_revealed_to_its_own_tenant(tenant: UUID) -> None:
    bound = bind(tenant)
    credential = binding.in_use(tenant_id=tenant)["parcel_sms"]
    assert (credential.id, binding.opened(credential)) == (bound.id, SECRETS)


def test_another_tenants_credential_is_not_there(tenant: UUID) -> None:
    bind(uuid4())
    assert binding.in_use(tenant_id=tenant) == {}


def test_the_database_holds_no_secret_in_the_clear(tenant: UUID) -> None:
    bind(tenant)
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT sealed, c::text FROM credentials_credential c")
        [(sealed, row)] = cursor.fetchall()
    assert SECRETS["auth_token"].encode() not in bytes(sealed)
    assert SECRETS["auth_token"] not in row


def test_binding_again_makes_the_next_version_and_supersedes_the_last(tenant: UUID) -> None:
    bind(tenant)
    bind(tenant, secrets={**SECRETS, "auth_token": "fresh-auth-token"})
    assert versions(tenant) == [(1, "superseded"), (2, "active")]
    assert revealed(tenant)["auth_token"] == "fresh-auth-token"


def test_ten_bindings_at_once_leave_one_in_use(tenant: UUID) -> None:
    def bind_in_a_thread(_: int) -> None:
        try:
            bind(tenant)
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(bind_in_a_thread, range(10)))
    found = versions(tenant)
    assert [version for version, _ in found] == list(range(1, 11))
    assert [status for _, status in found].count("active") == 1


def test_an_expired_credential_is_not_revealed(tenant: UUID) -> None:
    let_expire(bind(tenant))
    with pytest.raises(CredentialExpired, match="parcel_sms"):
        revealed(tenant)


def test_a_time_to_come_is_kept_as_expiry(tenant: UUID) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert bind(tenant, expires_at=soon).expires_at == soon


def test_revoking_wipes_the_secret_and_keeps_the_record(tenant: UUID) -> None:
    credential = bind(tenant)
    binding.revoke(tenant_id=tenant, credential_id=str(credential.id), subject="tester")
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT status, length(sealed) FROM credentials_credential WHERE id = %s", [credential.id])
        assert cursor.fetchone() == ("revoked", 0)
    assert binding.in_use(tenant_id=tenant) == {}


def test_binding_after_a_revocation_goes_on_counting(tenant: UUID) -> None:
    binding.revoke(tenant_id=tenant, credential_id=str(bind(tenant).id), subject="tester")
    assert bind(tenant).version == 2


def test_a_provider_that_can_be_asked_is_asked(tenant: UUID) -> None:
    assert bind(tenant).verified == "verified"
    assert bind(tenant, verify=False).verified == "unchecked"


def test_a_provider_that_cannot_be_asked_says_so(tenant: UUID) -> None:
    bound = binding.bind(tenant_id=tenant, provider_key="quiet_sms", secrets={"api_key": "k"})
    assert bound.verified == "not_supported"


@pytest.mark.parametrize(("auth_token", "is_retryable"), [(REFUSED, False), (UNREACHABLE, True)])
def test_nothing_is_stored_when_the_provider_does_not_confirm(
    tenant: UUID, auth_token: str, is_retryable: bool
) -> None:
    with pytest.raises(CredentialBindFailed) as caught:
        bind(tenant, secrets={**SECRETS, "auth_token": auth_token})
    assert caught.value.is_retryable is is_retryable
    assert auth_token not in f"{caught.value} {caught.value.details}"
    assert versions(tenant) == []


def test_a_refusal_seen_later_is_noted_on_the_credential(tenant: UUID) -> None:
    credential = bind(tenant)
    refusals.mark_failing(credential, reason="upstream_401", successes=lambda *_: 0)
    assert binding.get(tenant_id=tenant, credential_id=str(credential.id)).verified == "failed"


@pytest.mark.parametrize(
    ("auth_token", "last4"), [("a-long-auth-token-1234", "1234"), ("123456789012", "9012"), ("12345678901", "")]
)
def test_only_a_long_secret_shows_its_end(tenant: UUID, auth_token: str, last4: str) -> None:
    assert bind(tenant, secrets={**SECRETS, "auth_token": auth_token}).last4 == last4


def test_a_planned_provider_takes_no_credential(tenant: UUID) -> None:
    Provider.objects.create(provider_key="paper_mail", display_name="Paper", category="messaging", status="planned")
    with pytest.raises(CredentialBindFailed):
        bind(tenant, provider_key="paper_mail")


def test_a_key_that_was_removed_is_a_failed_binding_that_no_trial_mends(tenant: UUID, settings: Settings) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            """INSERT INTO credentials_tenantkey (id, tenant_id, wrapped, kek_id, first_kek_id, created_at)
               VALUES (%s, %s, %s, %s, 'k1', now())""",
            [uuid4(), tenant, b"\x01" + bytes(60), "a-key-that-was-removed"],
        )
    with pytest.raises(CredentialBindFailed) as caught:
        bind(tenant)
    assert not caught.value.is_retryable
    assert caught.value.details["reason"] == "vault_unreadable"
    assert versions(tenant) == []


def test_a_check_that_breaks_is_a_failed_binding_that_repeats_no_secret(tenant: UUID) -> None:
    with pytest.raises(CredentialBindFailed) as caught:
        bind(tenant, secrets={**SECRETS, "auth_token": BREAKING})
    assert caught.value.details["reason"] == "verification_failed"
    assert BREAKING not in str(caught.value)
    assert caught.value.__cause__ is None
