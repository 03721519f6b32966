"""What is sealed opens in its own place and nowhere else, also when somebody edits the database by hand."""

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections, transaction
from pytest_django import Settings

from credentials import binding, sealing
from credentials.errors import VaultUnreadable
from credentials.local_vault import LocalVault
from credentials.models import Credential, TenantKey
from credentials.sealing import DataKey
from credentials.vault import Context, fingerprint, vault
from integrationhub.core.tenancy import tenant_scope

SECRETS = {"account": "AC1", "auth_token": "a-long-auth-token-1234"}


def bound(tenant: UUID, provider_key: str = "parcel_sms") -> Credential:
    secrets = SECRETS if provider_key == "parcel_sms" else {"api_key": "another-long-key"}
    return binding.bind(tenant_id=tenant, provider_key=provider_key, secrets=secrets)


def sql(statement: str, parameters: list) -> None:
    """As somebody with the owner's rights would do it, past the application and past row-level security."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, parameters)


def place(tenant: UUID, **over: object) -> Context:
    return Context(**{"tenant_id": tenant, "table": "a", "row_id": UUID(int=1), "field": "b", **over})


def key_of(name: str) -> str:
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


def test_what_was_sealed_opens_in_its_place(tenant: UUID) -> None:
    assert vault().open(vault().seal(b"secret", place(tenant)), place(tenant)) == b"secret"


def test_the_same_secret_never_seals_to_the_same_bytes(tenant: UUID) -> None:
    assert len({vault().seal(b"secret", place(tenant)) for _ in range(500)}) == 500


@pytest.mark.parametrize("moved", [{"table": "z"}, {"row_id": UUID(int=2)}, {"field": "z"}])
def test_a_value_in_another_place_does_not_open(tenant: UUID, moved: dict) -> None:
    sealed = vault().seal(b"secret", place(tenant))
    with pytest.raises(VaultUnreadable):
        vault().open(sealed, place(tenant, **moved))


def test_places_whose_names_run_together_are_still_two_places(tenant: UUID) -> None:
    one, two = UUID(int=1), UUID(int=2)
    sealed = vault().seal(b"secret", place(tenant, table=f"a{one}", row_id=two, field=""))
    with pytest.raises(VaultUnreadable):
        vault().open(sealed, place(tenant, table="a", row_id=one, field=str(two)))


def test_the_same_key_does_not_open_it_for_another_tenant(tenant: UUID) -> None:
    key = DataKey(UUID(int=1), tenant, b"k" * 32)
    sealed = sealing.seal(key, b"secret", place(tenant))
    with pytest.raises(VaultUnreadable):
        sealing.unseal(key, sealed, place(uuid4()))


def test_the_same_secret_key_under_another_id_does_not_open_it(tenant: UUID) -> None:
    one, other = (DataKey(UUID(int=number), tenant, b"k" * 32) for number in (1, 2))
    sealed = sealing.seal(one, b"secret", place(tenant))
    assert sealing.unseal(one, sealed, place(tenant)) == b"secret"
    with pytest.raises(VaultUnreadable):
        sealing.unseal(other, sealed, place(tenant))


def test_what_another_format_would_seal_for_the_same_place_does_not_open(tenant: UUID) -> None:
    key, nonce = DataKey(UUID(int=1), tenant, b"k" * 32), bytes(12)
    bound = sealing._additional(place(tenant), key.id)
    ours, theirs = (AESGCM(key.secret).encrypt(nonce, b"secret", data) for data in (bound, b"\x09" + bound[1:]))
    head = sealing.VALUE + key.id.bytes + nonce
    assert bound[:1] == sealing.VALUE
    assert sealing.unseal(key, head + ours, place(tenant)) == b"secret"
    with pytest.raises(VaultUnreadable):
        sealing.unseal(key, head + theirs, place(tenant))


def test_every_flipped_bit_is_noticed(tenant: UUID) -> None:
    sealed = vault().seal(b"secret", place(tenant))
    for index in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[index] ^= 1
        with pytest.raises(VaultUnreadable):
            vault().open(bytes(flipped), place(tenant))


def test_every_shortened_value_is_noticed(tenant: UUID) -> None:
    sealed = vault().seal(b"secret", place(tenant))
    for length in range(len(sealed)):
        with pytest.raises(VaultUnreadable):
            vault().open(sealed[:length], place(tenant))


def test_a_credential_copied_over_another_of_the_same_tenant_does_not_open(tenant: UUID) -> None:
    one, other = bound(tenant), bound(tenant, "quiet_sms")
    sql("UPDATE credentials_credential SET sealed = %s WHERE id = %s", [bytes(one.sealed), other.id])
    with pytest.raises(VaultUnreadable):
        binding.opened(binding.in_use(tenant_id=tenant)["quiet_sms"])


def test_a_credential_copied_to_another_tenant_does_not_open(tenant: UUID) -> None:
    mine, theirs = bound(tenant), bound(uuid4())
    sql("UPDATE credentials_credential SET sealed = %s WHERE id = %s", [bytes(theirs.sealed), mine.id])
    with pytest.raises(VaultUnreadable):
        binding.opened(binding.in_use(tenant_id=tenant)["parcel_sms"])


def test_a_row_given_to_another_tenant_does_not_open(tenant: UUID) -> None:
    theirs = bound(uuid4())
    sql("UPDATE credentials_credential SET tenant_id = %s WHERE id = %s", [tenant, theirs.id])
    with pytest.raises(VaultUnreadable):
        binding.opened(binding.in_use(tenant_id=tenant)["parcel_sms"])


def test_a_row_given_to_another_tenant_together_with_its_key_does_not_open(tenant: UUID) -> None:
    theirs = bound(uuid4())
    sql("UPDATE credentials_credential SET tenant_id = %s WHERE id = %s", [tenant, theirs.id])
    sql("UPDATE credentials_tenantkey SET tenant_id = %s WHERE tenant_id = %s", [tenant, theirs.tenant_id])
    with pytest.raises(VaultUnreadable):
        binding.opened(binding.in_use(tenant_id=tenant)["parcel_sms"])


def test_a_wrapped_key_copied_from_another_tenant_does_not_open(tenant: UUID) -> None:
    sealed, other = vault().seal(b"secret", place(tenant)), uuid4()
    vault().seal(b"secret", place(other))
    sql(
        """UPDATE credentials_tenantkey SET wrapped = theirs.wrapped
           FROM credentials_tenantkey theirs WHERE credentials_tenantkey.tenant_id = %s AND theirs.tenant_id = %s""",
        [tenant, other],
    )
    with pytest.raises(VaultUnreadable):
        LocalVault().open(sealed, place(tenant))


def test_a_wrapped_key_under_another_key_id_does_not_open(tenant: UUID, settings: Settings) -> None:
    sealed = vault().seal(b"secret", place(tenant))
    same_key_other_name = "k2:" + settings.KEY_ENCRYPTION_KEYS[0].partition(":")[2]
    settings.KEY_ENCRYPTION_KEYS = [*settings.KEY_ENCRYPTION_KEYS, same_key_other_name]
    sql("UPDATE credentials_tenantkey SET kek_id = 'k2' WHERE tenant_id = %s", [tenant])
    with pytest.raises(VaultUnreadable):
        LocalVault().open(sealed, place(tenant))


def test_a_new_current_key_leaves_old_secrets_readable(tenant: UUID, settings: Settings) -> None:
    sealed = vault().seal(b"secret", place(tenant))
    settings.KEY_ENCRYPTION_KEYS = [key_of("k2"), *settings.KEY_ENCRYPTION_KEYS]
    assert LocalVault().open(sealed, place(tenant)) == b"secret"


def test_a_removed_key_is_named_and_no_new_one_is_made_in_its_place(tenant: UUID, settings: Settings) -> None:
    sealed = vault().seal(b"secret", place(tenant))
    settings.KEY_ENCRYPTION_KEYS = [key_of("k2")]
    with pytest.raises(VaultUnreadable, match="'k1'"):
        LocalVault().open(sealed, place(tenant))
    with pytest.raises(VaultUnreadable, match="'k1'"):
        LocalVault().seal(b"secret", place(tenant))


def test_the_key_of_a_rolled_back_transaction_is_not_used_again(tenant: UUID) -> None:
    own = LocalVault()
    with tenant_scope(tenant):
        own.seal(b"secret", place(tenant))
        transaction.set_rollback(True)
    sealed = own.seal(b"secret", place(tenant))
    assert LocalVault().open(sealed, place(tenant)) == b"secret"


def test_processes_that_meet_a_tenant_at_once_agree_on_its_key(tenant: UUID) -> None:
    def sealed_by_a_process_of_its_own(_: int) -> bytes:
        try:
            return LocalVault().seal(b"secret", place(tenant))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(sealed_by_a_process_of_its_own, range(16)))
    assert {vault().open(each, place(tenant)) for each in sealed} == {b"secret"}
    with tenant_scope(tenant):
        assert TenantKey.objects.for_tenant(tenant).count() == 1


def test_fingerprints_tell_secrets_apart_and_tenants_too(tenant: UUID) -> None:
    mine = fingerprint(b"secret", tenant)
    assert mine == fingerprint(b"secret", tenant)
    assert len({mine, fingerprint(b"Secret", tenant), fingerprint(b"secret", uuid4())}) == 3


def test_a_data_key_does_not_print_itself(tenant: UUID) -> None:
    vault().seal(b"secret", place(tenant))
    key = vault()._data_keys.current(tenant)
    assert repr(key.secret) not in repr(key)


@pytest.mark.parametrize("keys", [[], ["k1"], ["k1:AAAA"], [":" + "A" * 43 + "="], ["k1:???"]])
def test_faulty_key_encryption_keys_are_refused_in_words(keys: list[str], settings: Settings) -> None:
    settings.KEY_ENCRYPTION_KEYS = keys
    with pytest.raises(ImproperlyConfigured, match="KEY_ENCRYPTION_KEYS"):
        LocalVault().seal(b"secret", place(uuid4()))


def test_a_vault_that_does_not_exist_is_refused_by_name(settings: Settings) -> None:
    settings.VAULT_BACKEND = "attic"
    with pytest.raises(ImproperlyConfigured, match="'attic'"):
        vault()
