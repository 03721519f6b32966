import base64
import os
from uuid import UUID

from django.core.checks import Error, run_checks
from pytest_django import Settings

from credentials.vault import Context, vault


def errors(*, databases: list[str] | None = None) -> dict[str, Error]:
    return {each.id: each for each in run_checks(databases=databases) if each.id.startswith("credentials.")}


def test_a_good_installation_has_no_errors() -> None:
    assert errors(databases=["system"]) == {}


def test_a_vault_that_does_not_exist_stops_the_checks(settings: Settings) -> None:
    settings.VAULT_BACKEND = "attic"
    assert "VAULT_BACKEND" in errors()["credentials.E001"].msg


def test_a_removed_key_that_secrets_still_need_is_named(tenant: UUID, settings: Settings) -> None:
    vault().seal(b"secret", Context(tenant, "a", UUID(int=1), "b"))
    settings.KEY_ENCRYPTION_KEYS = ["k2:" + base64.b64encode(os.urandom(32)).decode()]
    assert "'k1'" in errors(databases=["system"])["credentials.E003"].msg


def test_keys_that_cannot_be_read_are_named(settings: Settings) -> None:
    settings.KEY_ENCRYPTION_KEYS = ["k1:short"]
    assert "entry 1" in errors(databases=["system"])["credentials.E002"].msg
