"""`manage.py rotate_keys` where a vault keeps the secrets, and the way there from the local one."""

import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from pytest_django import Settings

from credentials import binding, hashicorp_vault, rekeying
from credentials.models import Credential, Leftover, TenantKey
from credentials.vault import forget
from tests.audit.reading import trail_of
from tests.credentials.openbao import POLICY, OpenBao, a_new_process
from tests.environment import PLATFORM_TENANT

SECRETS = {"account": "AC1", "auth_token": "a-long-auth-token-1234"}
pytestmark = pytest.mark.xdist_group("openbao")


def bound(tenant: UUID) -> Credential:
    return binding.bind(tenant_id=tenant, provider_key="parcel_sms", secrets=SECRETS)


def revealed(tenant: UUID) -> Any:
    return binding.opened(binding.in_use(tenant_id=tenant)["parcel_sms"])


def rotate() -> str:
    said = StringIO()
    call_command("rotate_keys", stdout=said, stderr=said)
    return said.getvalue()


def entries_of(bao: OpenBao, tenant: UUID) -> list[str]:
    return [path for path in bao.entries() if str(tenant) in path]


def test_a_new_version_of_transits_key_takes_everything_along(bao: OpenBao, tenant: UUID) -> None:
    read_before = bound(tenant)
    transit = bao.root.secrets.transit
    transit.rotate_key("integration-hub")
    assert "1 values of credentials_credential re-encrypted" in rotate()
    transit.update_key_configuration("integration-hub", min_decryption_version=bao.newest_version())
    a_new_process()
    assert revealed(tenant) == binding.opened(read_before) == SECRETS
    assert len(entries_of(bao, tenant)) == 2, "The old entry stays for who has read the row before."
    Leftover.objects.using("system").update(due_at=datetime.now(UTC))
    assert (hashicorp_vault.sweep(), len(entries_of(bao, tenant)), revealed(tenant)) == (1, 1, SECRETS)
    assert all(line.startswith("0 ") for line in rotate().splitlines())


def test_an_installation_moves_to_the_vault_while_it_runs(bao: OpenBao, tenant: UUID, settings: Settings) -> None:
    settings.VAULT_BACKEND = "local"
    bound(tenant)
    settings.VAULT_BACKEND = "vault"
    assert revealed(tenant) == SECRETS
    rotate()
    assert revealed(tenant) == SECRETS
    a_new_process()
    assert (revealed(tenant), len(entries_of(bao, tenant))) == (SECRETS, 1)
    assert {kek_id.split(":")[0] for kek_id in _needed()} == {"transit/integration-hub"}


def test_a_secret_bound_before_the_move_can_be_revoked(bao: OpenBao, tenant: UUID, settings: Settings) -> None:
    settings.VAULT_BACKEND = "local"
    credential = bound(tenant)
    settings.VAULT_BACKEND = "vault"
    binding.revoke(tenant_id=tenant, credential_id=str(credential.id), subject="tester")
    assert binding.in_use(tenant_id=tenant) == {}


def test_a_vault_that_goes_in_the_middle_is_waited_for_by_a_second_run(
    bao: OpenBao, tenant: UUID, settings: Settings
) -> None:
    other = uuid4()
    bound(tenant)
    bound(other)
    bao.root.secrets.transit.rotate_key("integration-hub")
    settings.VAULT_TOKEN = bao.token("\n".join(line for line in POLICY.splitlines() if "secret/data" not in line))
    with pytest.raises(CommandError, match="run it again"):
        rotate()
    settings.VAULT_TOKEN = bao.token()
    a_new_process()
    assert revealed(tenant) == revealed(other) == SECRETS
    assert "2 values of credentials_credential re-encrypted" in rotate()
    forget()
    assert revealed(tenant) == revealed(other) == SECRETS


def test_a_rotation_that_ends_early_tells_what_it_has_done(bao: OpenBao, tenant: UUID, settings: Settings) -> None:
    other = uuid4()
    bound(tenant)
    bound(other)
    bao.root.secrets.transit.rotate_key("integration-hub")
    denied = f'path "secret/data/integration-hub/{other}/*" {{ capabilities = ["deny"] }}'
    settings.VAULT_TOKEN = bao.token(f"{POLICY}\n{denied}")
    with pytest.raises(CommandError, match="run it again"):
        rotate()
    (entry,) = trail_of(UUID(PLATFORM_TENANT))
    assert (entry.action, entry.actor) == ("keys.rotation_ended_early", "system")
    done = {what: count for what, count in entry.details.items() if count}
    assert done == {
        "data keys re-wrapped": 2,
        "tenants given a fresh data key": 2,
        "values of credentials_credential re-encrypted": 1,
    }
    settings.VAULT_TOKEN = bao.token()
    rotate()
    assert [entry.action for entry in trail_of(UUID(PLATFORM_TENANT))[1:]] == ["keys.rotated"]


def test_a_revocation_during_a_rotation_leaves_no_entry(
    bao: OpenBao, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = bound(tenant)
    bao.root.secrets.transit.rotate_key("integration-hub")
    keep = hashicorp_vault.HashicorpVault.keep

    def revoked_meanwhile(*args: Any) -> bytes:
        kept = keep(*args)
        binding.revoke(tenant_id=tenant, credential_id=str(credential.id), subject="tester")
        return kept

    monkeypatch.setattr(hashicorp_vault.HashicorpVault, "keep", revoked_meanwhile)
    assert "0 values of credentials_credential re-encrypted" in rotate()
    Leftover.objects.using("system").update(due_at=datetime.now(UTC) - timedelta(seconds=1))
    hashicorp_vault.sweep()
    assert entries_of(bao, tenant) == []
    assert bytes(Credential.objects.using("system").get().sealed) == b""


def rotate_beside() -> None:
    """`rotate` in a thread of its own, which ends with its connections given back."""
    try:
        rotate()
    finally:
        connections.close_all()


def test_a_rotation_waits_for_a_revocation_under_way(
    bao: OpenBao, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = bound(tenant)
    monkeypatch.setattr(rekeying, "PASSES", 60)
    bao.root.secrets.transit.rotate_key("integration-hub")
    discard, rotation = hashicorp_vault.HashicorpVault.discard, threading.Thread(target=rotate_beside)

    def with_a_rotation_beside_it(*args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(hashicorp_vault.HashicorpVault, "discard", discard)
        rotation.start()
        rotation.join(1.0)
        discard(*args, **kwargs)

    monkeypatch.setattr(hashicorp_vault.HashicorpVault, "discard", with_a_rotation_beside_it)
    binding.revoke(tenant_id=tenant, credential_id=str(credential.id), subject="tester")
    rotation.join()
    Leftover.objects.using("system").update(due_at=datetime.now(UTC) - timedelta(seconds=1))
    hashicorp_vault.sweep()
    assert entries_of(bao, tenant) == []


def _needed() -> set[str]:
    return set(TenantKey.objects.using("system").values_list("kek_id", flat=True))
