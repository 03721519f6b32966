"""What must be right before a secret is sealed or opened."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from credentials import hashicorp_client, hashicorp_diagnosis, sealed_rows
from credentials.errors import VaultUnavailable, VaultUnreadable
from credentials.hashicorp_diagnosis import Fault
from credentials.models import TenantKey
from credentials.sealed_field import columns
from credentials.transit_keys import TransitKeys, is_transit
from credentials.vault import BACKENDS
from integrationhub.core import encryption_keys
from integrationhub.core.checks import BEFORE_START
from integrationhub.idempotency import sealing as answer_sealing
from integrationhub.idempotency.models import AnswerKey


@register(Tags.security, BEFORE_START)
def vault_backend_exists(**_: Any) -> list[CheckMessage]:
    if settings.VAULT_BACKEND not in BACKENDS:
        return [
            Error(
                f"VAULT_BACKEND={settings.VAULT_BACKEND!r} names no vault of this installation.",
                hint=f"Set VAULT_BACKEND to one of: {', '.join(BACKENDS)}.",
                id="credentials.E001",
            )
        ]
    if settings.VAULT_BACKEND != "vault":
        return []
    return _errors("credentials.E004", hashicorp_diagnosis.setting_faults())


@register(Tags.database)
def vault_serves_us(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """For `doctor`: a vault that is away for a moment is no reason not to start."""
    if "system" not in (databases or ()) or settings.VAULT_BACKEND != "vault":
        return []
    if any(hashicorp_diagnosis.setting_faults()):
        return []  # Named by the check above.
    return _errors("credentials.E006", hashicorp_diagnosis.server_faults(hashicorp_client.client()))


@register(Tags.database, BEFORE_START)
def no_key_was_removed(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Runs where the database may be asked: before every start, and by `manage.py check --database system`."""
    if "system" not in (databases or ()) or not _is_migrated():
        return []
    try:
        known = encryption_keys.configured()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="credentials.E002")]
    named = set(TenantKey.objects.using("system").values_list("kek_id", flat=True).distinct())
    versions = {kek_id for kek_id in named if is_transit(kek_id)}
    missing = (named | answer_sealing.named_keys()) - versions - known.keys()
    return _errors("credentials.E003", (_removed(kek_id) for kek_id in sorted(missing | _not_decrypted(versions))))


@register(Tags.database, BEFORE_START)
def no_data_key_is_lost(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    if "system" not in (databases or ()) or not _is_migrated():
        return []
    counted = {column: sealed_rows.orphans(column) for column in columns()}
    return _errors(
        "credentials.E005",
        (
            Fault(
                f"{count} rows of {column.table} name a data key that is not in {TenantKey._meta.db_table}.",
                "Restore the rows of that table from a backup; without them these secrets do not open.",
            )
            for column, count in counted.items()
            if count
        ),
    )


@register(Tags.database, BEFORE_START)
def no_secret_is_kept_elsewhere(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    if "system" not in (databases or ()) or settings.VAULT_BACKEND == "vault" or not _is_migrated():
        return []
    counted = {column.table: sealed_rows.pointers(column) for column in columns() if column.is_kept}
    return _errors(
        "credentials.E007",
        (
            Fault(f"{count} rows of {table} point to secrets that the vault keeps.", "Set VAULT_BACKEND=vault.")
            for table, count in counted.items()
            if count
        ),
    )


def _not_decrypted(versions: set[str]) -> set[str]:
    """Those versions of Transit's key by which the vault does not decrypt."""
    if not versions or settings.VAULT_BACKEND != "vault":
        return versions
    try:
        return TransitKeys(hashicorp_client.client()).missing(versions)
    except VaultUnavailable:
        return set()  # `doctor` says that it is away.
    except VaultUnreadable:
        return versions  # There is no such key at all.


def _removed(kek_id: str) -> Fault:
    if not is_transit(kek_id):
        return Fault(
            f"KEY_ENCRYPTION_KEYS lacks the key {kek_id!r}, under which secrets are still stored.",
            f"Put `{kek_id}:<its base64>` back, after the current key; `manage.py rotate_keys` ends the need for it.",
        )
    if settings.VAULT_BACKEND != "vault":
        return Fault(f"Secrets are stored under the vault's key {kek_id!r}.", "Set VAULT_BACKEND=vault.")
    return Fault(
        f"The vault does not decrypt by its key {kek_id!r} any more, under which secrets are still stored.",
        "Lower min_decryption_version of the key, or restore it; `manage.py rotate_keys` ends the need for it.",
    )


def _is_migrated() -> bool:
    """Whether the tables of keys are there, in this version's shape."""
    database = connections["system"]
    with database.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM pg_attribute WHERE attname = 'first_kek_id' AND attrelid IN (
                   to_regclass(%s), to_regclass(%s))""",
            [TenantKey._meta.db_table, AnswerKey._meta.db_table],
        )
        return cursor.fetchone() == (2,)


def _errors(name: str, faults: Any) -> list[CheckMessage]:
    return [Error(fault.what, hint=fault.fix, id=name) for fault in faults]
