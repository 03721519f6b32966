"""`VAULT_BACKEND=vault`, against a real OpenBao: what it keeps, and what becomes of us when it is away."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import hvac
import pytest
from django.db import IntegrityError, connections, transaction
from pytest_django import Settings

from credentials import binding, hashicorp_client, hashicorp_vault
from credentials.errors import CredentialBindFailed, InternalCredentialBindFailed, VaultUnavailable, VaultUnreadable
from credentials.internal import serving
from credentials.models import Credential, Leftover
from credentials.vault import Context, vault
from integrationhub.core.http import Service
from integrationhub.core.tenancy import tenant_scope
from tests.core.proxies import Proxy
from tests.credentials import openbao
from tests.credentials.openbao import OpenBao, a_new_process

SECRETS = {"account": "AC1", "auth_token": "a-long-auth-token-1234"}
pytestmark = [pytest.mark.xdist_group("openbao"), pytest.mark.usefixtures("bao")]


@pytest.fixture
def proxy(bao: OpenBao, settings: Settings) -> Iterator[Proxy]:
    """Through which the vault is reached; a test may hang or close it."""
    with Proxy(("127.0.0.1", bao.port)) as between:
        settings.VAULT_ADDR = f"http://127.0.0.1:{between.port}"
        yield between


@pytest.fixture
def sealed_vault(settings: Settings) -> Iterator[OpenBao]:
    """A server of its own that a test seals, or kills."""
    with openbao.running() as own:
        settings.VAULT_ADDR, settings.VAULT_TOKEN = own.url, own.token()
        yield own


@contextmanager
def waited_for(seconds: float) -> Iterator[None]:
    """The vault, and no longer."""
    with pytest.MonkeyPatch.context() as usual:
        usual.setattr(hashicorp_client, "SECONDS", seconds)
        yield


def bound(tenant: UUID, **over: Any) -> Credential:
    return binding.bind(**{"tenant_id": tenant, "provider_key": "parcel_sms", "secrets": SECRETS, **over})


def revealed(tenant: UUID) -> Any:
    return binding.opened(binding.in_use(tenant_id=tenant)["parcel_sms"])


def entries_of(bao: OpenBao, tenant: UUID) -> list[str]:
    return [path for path in bao.entries() if str(tenant) in path]


def leftovers() -> int:
    return Leftover.objects.using("system").count()


def credentials_of(tenant: UUID) -> int:
    with tenant_scope(tenant):
        return Credential.objects.for_tenant(tenant).count()


def assert_nothing_is_half_stored(bao: OpenBao, tenant: UUID) -> None:
    """No row, and what the vault may hold is deleted by the next sweep after its grace."""
    assert credentials_of(tenant) == 0
    Leftover.objects.using("system").update(due_at=datetime.now(UTC))
    hashicorp_vault.sweep()
    assert (entries_of(bao, tenant), leftovers()) == ([], 0)


def test_a_secret_lies_in_the_vault_and_the_row_points_to_it(bao: OpenBao, tenant: UUID) -> None:
    credential = bound(tenant)
    [path] = entries_of(bao, tenant)
    entry = str(bao.root.secrets.kv.v2.read_secret_version(path, raise_on_deleted_version=True)["data"]["data"])
    assert len(bytes(credential.sealed)) == 33
    assert SECRETS["auth_token"] not in entry, "It is sealed before it leaves."
    assert (revealed(tenant), leftovers()) == (SECRETS, 0)
    a_new_process()
    assert revealed(tenant) == SECRETS


def test_queued_payloads_stay_in_their_rows(bao: OpenBao, tenant: UUID) -> None:
    place = Context(tenant, "a", UUID(int=1), "b")
    sealed = vault().seal(b"x" * 100_000, place)
    a_new_process()
    assert vault().open(sealed, place) == b"x" * 100_000
    assert entries_of(bao, tenant) == []


def test_a_data_key_is_wrapped_by_transit(tenant: UUID) -> None:
    bound(tenant)
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT kek_id, wrapped FROM credentials_tenantkey WHERE tenant_id = %s", [tenant])
        [(kek_id, wrapped)] = cursor.fetchall()
    version = kek_id.removeprefix("transit/integration-hub:")
    assert bytes(wrapped).startswith(f"vault:{version}:".encode())


def test_revoking_deletes_the_secret_for_good(bao: OpenBao, tenant: UUID) -> None:
    credential = bound(tenant)
    [path] = entries_of(bao, tenant)
    binding.revoke(tenant_id=tenant, credential_id=str(credential.id), subject="tester")
    assert (entries_of(bao, tenant), leftovers()) == ([], 0)
    with pytest.raises(hvac.exceptions.InvalidPath):
        bao.root.secrets.kv.v2.read_secret_metadata(path)


def test_a_revocation_while_the_vault_is_away_is_made_good(bao: OpenBao, tenant: UUID, settings: Settings) -> None:
    credential = bound(tenant)
    here, settings.VAULT_ADDR = settings.VAULT_ADDR, "http://127.0.0.1:1"
    binding.revoke(tenant_id=tenant, credential_id=str(credential.id), subject="tester")
    assert binding.in_use(tenant_id=tenant) == {}
    assert (hashicorp_vault.sweep(), len(entries_of(bao, tenant)), leftovers()) == (0, 1, 1)
    settings.VAULT_ADDR = here
    a_new_process()
    assert (hashicorp_vault.sweep(), entries_of(bao, tenant), leftovers()) == (1, [], 0)


def test_a_sweep_ends_with_the_first_that_the_vault_does_not_take(
    tenant: UUID, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        vault().keep(b"secret", Context(tenant, "a", UUID(int=1), "b"))
    Leftover.objects.using("system").update(due_at=datetime.now(UTC))
    settings.VAULT_TOKEN = "a-token-that-nobody-gave"
    assert (hashicorp_vault.sweep(), leftovers()) == (0, 3)
    assert [record.message for record in caplog.records].count("vault_wipe_postponed") == 1


def test_a_revocation_under_another_back_end_is_made_good(bao: OpenBao, tenant: UUID, settings: Settings) -> None:
    credential = bound(tenant)
    settings.VAULT_BACKEND = "local"
    binding.revoke(tenant_id=tenant, credential_id=str(credential.id), subject="tester")
    settings.VAULT_BACKEND = "vault"
    assert (len(entries_of(bao, tenant)), leftovers()) == (1, 1)
    assert (hashicorp_vault.sweep(), entries_of(bao, tenant), leftovers()) == (1, [], 0)


def test_a_transaction_that_fails_after_the_vault_took_it_leaves_nothing(
    bao: OpenBao, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: Any, **__: Any) -> None:
        raise IntegrityError("no room")

    monkeypatch.setattr(Credential, "save", no_room)
    with pytest.raises(IntegrityError):
        bound(tenant)
    assert len(entries_of(bao, tenant)) == 1
    assert hashicorp_vault.sweep() == 0, "Another transaction may be about to claim it."
    assert_nothing_is_half_stored(bao, tenant)


def test_what_was_swept_is_not_claimed(tenant: UUID) -> None:
    place = Context(tenant, "a", UUID(int=1), "b")
    kept = vault().keep(b"secret", place)
    Leftover.objects.using("system").update(due_at=datetime.now(UTC) + timedelta(seconds=59))
    with pytest.raises(VaultUnavailable, match="Too long"), tenant_scope(tenant):
        vault().claim(kept, place)


def test_a_binding_that_is_claimed_too_late_may_be_tried_again(tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashicorp_vault, "UNCLAIMED_KEPT", timedelta(seconds=59))
    with pytest.raises(CredentialBindFailed, match="Too long") as caught:
        bound(tenant)
    assert (caught.value.is_retryable, caught.value.details["reason"]) == (True, "vault_unavailable")
    assert credentials_of(tenant) == 0
    body = {"tenant_id": str(tenant), "provider_key": "parcel_sms", "credentials": SECRETS}
    with pytest.raises(InternalCredentialBindFailed, match="Too long") as inside:
        serving.bind(body, Service("spiffe://hub.example/ns/prod/sa/billing"))
    assert inside.value.is_retryable


def test_the_vault_is_never_asked_inside_a_transaction(tenant: UUID) -> None:
    with pytest.raises(RuntimeError, match="inside a transaction"), tenant_scope(tenant):
        vault().seal(b"secret", Context(tenant, "a", UUID(int=1), "b"))
    with pytest.raises(RuntimeError, match="inside a transaction"), transaction.atomic(using="system"):
        vault().seal(b"secret", Context(tenant, "a", UUID(int=1), "b"))


def stopped(own: OpenBao) -> None:
    own.stop()


def sealed(own: OpenBao) -> None:
    own.root.sys.seal()


@pytest.mark.slow
@pytest.mark.parametrize("befalls", [stopped, sealed])
def test_a_vault_that_goes_fails_a_binding_and_remembered_secrets_still_open(
    sealed_vault: OpenBao, tenant: UUID, befalls: Callable[[OpenBao], None]
) -> None:
    bound(tenant)
    assert revealed(tenant) == SECRETS
    befalls(sealed_vault)
    with pytest.raises(CredentialBindFailed) as caught:
        bound(tenant)
    assert (caught.value.is_retryable, caught.value.details["reason"]) == (True, "vault_unavailable")
    assert credentials_of(tenant) == 1
    assert revealed(tenant) == SECRETS
    a_new_process()
    with pytest.raises(VaultUnavailable) as unavailable:
        revealed(tenant)
    assert unavailable.value.is_retryable


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hang", "close"])
def test_a_vault_that_does_not_answer_is_waited_for_once(
    bao: OpenBao, proxy: Proxy, tenant: UUID, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = bound(uuid4())
    a_new_process()
    proxy.mode = mode
    proxy.drop()
    monkeypatch.setattr(hashicorp_client, "PAUSE_SECONDS", 300.0)
    with waited_for(seconds=1.5), pytest.raises(CredentialBindFailed) as caught:
        bound(tenant)
    asked = proxy.unanswered
    assert (caught.value.is_retryable, asked > 0) == (True, True)
    for _ in range(20):
        with pytest.raises(CredentialBindFailed):
            bound(tenant)
        with pytest.raises(VaultUnavailable):
            binding.opened(other)
    assert proxy.unanswered == asked
    proxy.mode = "pass"
    a_new_process()
    assert_nothing_is_half_stored(bao, tenant)
    assert binding.opened(other) == SECRETS


@pytest.mark.slow
def test_a_vault_that_hangs_after_it_took_the_secret_leaves_nothing(bao: OpenBao, tenant: UUID, proxy: Proxy) -> None:
    """The entry is written, and we do not hear of it."""
    vault().seal(b"the data key is there", Context(tenant, "a", UUID(int=1), "b"))
    proxy.is_deaf = True
    with waited_for(seconds=2.0), pytest.raises(CredentialBindFailed):
        bound(tenant)
    assert len(entries_of(bao, tenant)) == 1
    proxy.is_deaf = False
    a_new_process()
    assert_nothing_is_half_stored(bao, tenant)


@pytest.mark.parametrize("lacking", ["transit/encrypt", "secret/data"])
def test_a_token_that_may_not_fails_a_binding_that_may_be_tried_again(
    bao: OpenBao, tenant: UUID, settings: Settings, lacking: str
) -> None:
    settings.VAULT_TOKEN = bao.token("\n".join(line for line in openbao.POLICY.splitlines() if lacking not in line))
    with pytest.raises(CredentialBindFailed) as caught:
        bound(tenant)
    assert caught.value.is_retryable
    assert settings.VAULT_TOKEN not in f"{caught.value} {caught.value.details}"
    settings.VAULT_TOKEN = bao.token()
    assert_nothing_is_half_stored(bao, tenant)


def test_a_deadline_ends_the_wait_for_a_hung_vault(proxy: Proxy, tenant: UUID) -> None:
    credential = bound(tenant)
    a_new_process()
    proxy.mode = "hang"
    proxy.drop()
    began = time.monotonic()
    with pytest.raises(VaultUnavailable):
        binding.opened(credential, hashicorp_client.Deadline.after(0.3))
    assert time.monotonic() - began < 10


def test_a_caller_in_a_hurry_shuts_the_vault_for_nobody_else(proxy: Proxy, tenant: UUID) -> None:
    hurried, other = bound(tenant), bound(uuid4())
    a_new_process()
    proxy.delay_seconds = 0.08
    with pytest.raises(VaultUnavailable):
        binding.opened(hurried, hashicorp_client.Deadline.after(0.1))
    assert binding.opened(other) == SECRETS


def test_a_token_in_a_file_is_read_again_when_it_changes(
    bao: OpenBao, tenant: UUID, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    settings.VAULT_TOKEN, settings.VAULT_TOKEN_FILE = "", str(file)
    file.write_text("one that has ended\n")
    with pytest.raises(CredentialBindFailed):
        bound(tenant)
    file.write_text(f"{bao.token()}\n")
    assert bound(tenant).version == 1
    file.unlink()
    with pytest.raises(CredentialBindFailed):
        bound(tenant)


def test_an_entry_copied_over_another_inside_the_vault_does_not_open(bao: OpenBao, tenant: UUID) -> None:
    bound(tenant)
    bound(tenant)
    older, newer = sorted(entries_of(bao, tenant))
    kv = bao.root.secrets.kv.v2
    kv.create_or_update_secret(newer, kv.read_secret_version(older, raise_on_deleted_version=True)["data"]["data"])
    with pytest.raises(VaultUnreadable, match="moved or changed"):
        revealed(tenant)


def test_an_entry_of_the_same_row_under_another_pointer_does_not_open(bao: OpenBao, tenant: UUID) -> None:
    place = Context(tenant, "a", UUID(int=1), "b")
    vault().keep(b"old", place)
    kept = vault().keep(b"new", place)
    older, newer = sorted(entries_of(bao, tenant))
    kv = bao.root.secrets.kv.v2
    kv.create_or_update_secret(newer, kv.read_secret_version(older, raise_on_deleted_version=True)["data"]["data"])
    with pytest.raises(VaultUnreadable, match="moved or changed"):
        vault().open(kept, place)


@pytest.mark.parametrize("entry", [{"sealed": "no base64!"}, {"colour": "red"}, {"sealed": ""}, {"sealed": None}])
def test_an_entry_that_is_none_of_ours_does_not_open(bao: OpenBao, tenant: UUID, entry: dict[str, Any]) -> None:
    bound(tenant)
    bao.root.secrets.kv.v2.create_or_update_secret(entries_of(bao, tenant)[0], entry)
    with pytest.raises(VaultUnreadable):
        revealed(tenant)


def test_a_kept_secret_that_is_gone_from_the_vault_does_not_open(bao: OpenBao, tenant: UUID) -> None:
    bound(tenant)
    bao.root.secrets.kv.v2.delete_metadata_and_all_versions(entries_of(bao, tenant)[0])
    with pytest.raises(VaultUnreadable, match="does not have it"):
        revealed(tenant)
