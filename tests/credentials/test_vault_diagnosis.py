"""What `doctor` and the start say of a vault: each fault in plain words, with its fix."""

from pathlib import Path
from uuid import UUID

import pytest
from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from credentials import binding
from credentials.models import TenantKey
from integrationhub.core.checks import refuse_unsafe
from integrationhub.core.management.commands import doctor
from tests.credentials import openbao
from tests.credentials.openbao import POLICY, OpenBao, a_new_process

pytestmark = pytest.mark.xdist_group("openbao")


def said(tags: list[str] | None = None) -> str:
    found = run_checks(tags=tags, databases=["system"] if tags else None)
    return "\n".join(f"{each.msg} {each.hint}" for each in found if each.id.startswith("credentials."))


def told_by_doctor() -> str:
    a_new_process()
    return said([Tags.database])


def without(line: str) -> str:
    return "\n".join(each for each in POLICY.splitlines() if line not in each)


def test_a_vault_that_serves_us_is_not_mentioned(bao: OpenBao) -> None:
    assert (said(), told_by_doctor()) == ("", "")


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"VAULT_ADDR": ""}, "VAULT_ADDR is not a URL"),
        ({"VAULT_ADDR": "vault:8200"}, "VAULT_ADDR is not a URL"),
        ({"VAULT_TOKEN": ""}, "VAULT_TOKEN and VAULT_TOKEN_FILE are both empty"),
        ({"VAULT_TOKEN_FILE": "/nonexistent"}, "VAULT_TOKEN and VAULT_TOKEN_FILE are both set"),
        ({"VAULT_TOKEN": "", "VAULT_TOKEN_FILE": "/nonexistent"}, "VAULT_TOKEN_FILE /nonexistent cannot be read"),
        ({"VAULT_TRANSIT_KEY": "k:1"}, "VAULT_TRANSIT_KEY is not a name"),
    ],
)
def test_a_faulty_setting_is_named_and_refused_at_the_start(
    bao: OpenBao, settings: Settings, over: dict[str, str], words: str
) -> None:
    for name, value in over.items():
        setattr(settings, name, value)
    assert words in said()
    settings.DEBUG = False
    with pytest.raises(ImproperlyConfigured, match=words.split()[0]):
        refuse_unsafe()


def test_a_token_file_serves(bao: OpenBao, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(settings.VAULT_TOKEN)
    settings.VAULT_TOKEN, settings.VAULT_TOKEN_FILE = "", str(tmp_path / "token")
    assert (said(), told_by_doctor()) == ("", "")


def test_a_vault_that_is_away_is_named_and_does_not_stop_the_start(
    bao: OpenBao, settings: Settings, tenant: UUID
) -> None:
    binding.bind(tenant_id=tenant, provider_key="quiet_sms", secrets={"api_key": "a-key"})
    settings.VAULT_ADDR = "http://127.0.0.1:1"
    assert "No answer from the vault at http://127.0.0.1:1" in told_by_doctor()
    settings.DEBUG = False
    refuse_unsafe()


@pytest.mark.slow
def test_a_sealed_vault_is_named(settings: Settings, bao: OpenBao) -> None:
    with openbao.running() as own:
        settings.VAULT_ADDR, settings.VAULT_TOKEN = own.url, own.token()
        own.root.sys.seal()
        assert "Sealed: the vault at" in told_by_doctor()
        assert "vault operator unseal" in told_by_doctor()


def test_a_refused_token_is_named_and_not_told(bao: OpenBao, settings: Settings) -> None:
    settings.VAULT_TOKEN = "a-token-that-nobody-gave"
    assert "The token is refused" in told_by_doctor()
    assert settings.VAULT_TOKEN not in told_by_doctor()


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("transit/encrypt", "may not update transit/encrypt/integration-hub"),
        ("transit/decrypt", "may not update transit/decrypt/integration-hub"),
        ("transit/keys", "may not read transit/keys/integration-hub"),
        ("secret/data", "may not create and read secret/data/integration-hub/*"),
        ("secret/metadata", "may not delete secret/metadata/integration-hub/*"),
    ],
)
def test_a_denied_permission_is_named_with_the_line_that_gives_it(
    bao: OpenBao, settings: Settings, lacking: str, words: str
) -> None:
    settings.VAULT_TOKEN = bao.token(without(lacking))
    told = told_by_doctor()
    assert words in told
    fix = told.partition("Add to its policy: ")[2].partition("}.")[0] + "}"
    settings.VAULT_TOKEN = bao.token(without(lacking) + fix)
    assert told_by_doctor() == ""


CAPABILITIES = 'path "sys/capabilities-self" { capabilities = ["update"] }'


def test_a_token_that_may_not_look_itself_up_is_not_called_refused(bao: OpenBao, settings: Settings) -> None:
    mounts = 'path "sys/internal/ui/mounts/*" { capabilities = ["read"] }'
    settings.VAULT_TOKEN = bao.token(f"{POLICY}{CAPABILITIES}\n{mounts}", is_bare=True)
    assert told_by_doctor() == ""


def test_a_token_that_may_not_read_its_capabilities_is_told_so(bao: OpenBao, settings: Settings) -> None:
    settings.VAULT_TOKEN = bao.token(is_bare=True)
    told = told_by_doctor()
    assert "may not update sys/capabilities-self" in told
    assert f"Add to its policy: {CAPABILITIES}." in told
    assert "refused" not in told


def test_a_key_or_an_engine_that_is_missing_is_named(bao: OpenBao, settings: Settings) -> None:
    settings.VAULT_TOKEN = openbao.ROOT_TOKEN
    settings.VAULT_TRANSIT_KEY, settings.VAULT_KV_MOUNT = "nobodys", "cubbyhole"
    told = told_by_doctor()
    assert "vault write -f transit/keys/nobodys" in told
    assert "VAULT_KV_MOUNT cubbyhole is no KV engine of version 2" in told


def test_a_version_that_rows_need_is_refused_removal(bao: OpenBao, settings: Settings, tenant: UUID) -> None:
    binding.bind(tenant_id=tenant, provider_key="quiet_sms", secrets={"api_key": "a-key"})
    named = TenantKey.objects.using("system").get().kek_id
    bao.root.secrets.transit.rotate_key("integration-hub")
    bao.root.secrets.transit.update_key_configuration("integration-hub", min_decryption_version=bao.newest_version())
    try:
        settings.DEBUG = False
        a_new_process()
        with pytest.raises(ImproperlyConfigured, match=named):
            refuse_unsafe()
    finally:
        bao.root.secrets.transit.update_key_configuration("integration-hub", min_decryption_version=1)


def test_a_vault_that_rows_still_need_is_named(bao: OpenBao, settings: Settings, tenant: UUID) -> None:
    binding.bind(tenant_id=tenant, provider_key="quiet_sms", secrets={"api_key": "a-key"})
    settings.VAULT_BACKEND = "local"
    assert "Set VAULT_BACKEND=vault" in told_by_doctor()


def test_a_start_without_the_vault_that_keeps_secrets_is_refused(
    bao: OpenBao, settings: Settings, tenant: UUID
) -> None:
    """Also where the settings' own keys open the tenants' data keys."""
    settings.VAULT_BACKEND = "local"
    binding.bind(tenant_id=tenant, provider_key="quiet_sms", secrets={"api_key": "a-key"})
    settings.VAULT_BACKEND = "vault"
    binding.bind(tenant_id=tenant, provider_key="quiet_sms", secrets={"api_key": "another"})
    assert told_by_doctor() == ""
    settings.VAULT_BACKEND, settings.DEBUG = "local", False
    assert "1 rows of credentials_credential point to secrets that the vault keeps" in told_by_doctor()
    with pytest.raises(ImproperlyConfigured, match="1 rows of credentials_credential"):
        refuse_unsafe()


def test_a_vault_that_is_away_hides_no_removed_key(bao: OpenBao, settings: Settings, tenant: UUID) -> None:
    binding.bind(tenant_id=tenant, provider_key="quiet_sms", secrets={"api_key": "a-key"})
    settings.VAULT_ADDR = "http://127.0.0.1:1"
    settings.KEY_ENCRYPTION_KEYS = ["k9:" + settings.KEY_ENCRYPTION_KEYS[0].partition(":")[2]]
    assert "KEY_ENCRYPTION_KEYS lacks the key 'k1'" in told_by_doctor()


def test_doctor_examines_it(bao: OpenBao, settings: Settings) -> None:
    settings.VAULT_ADDR = "http://127.0.0.1:1"
    [fault] = doctor.EXAMINATIONS["vault and its keys"]()
    assert fault.startswith("No answer from the vault")
