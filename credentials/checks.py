"""What must be right before a secret is sealed or opened."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from credentials.models import TenantKey
from credentials.vault import BACKENDS, key_encryption_keys
from integrationhub.core.checks import BEFORE_START


@register(Tags.security, BEFORE_START)
def vault_backend_exists(**_: Any) -> list[CheckMessage]:
    if settings.VAULT_BACKEND in BACKENDS:
        return []
    return [
        Error(
            f"VAULT_BACKEND={settings.VAULT_BACKEND!r} names no vault of this installation.",
            hint=f"Set VAULT_BACKEND to one of: {', '.join(BACKENDS)}.",
            id="credentials.E001",
        )
    ]


def _tables() -> list[str]:
    return connections["system"].introspection.table_names()


@register(Tags.database, BEFORE_START)
def no_key_was_removed(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Runs where the database may be asked: before every start, and by `manage.py check --database system`."""
    if "system" not in (databases or ()) or TenantKey._meta.db_table not in _tables():
        return []
    try:
        known = key_encryption_keys()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="credentials.E002")]
    named = TenantKey.objects.using("system").values_list("kek_id", flat=True).distinct()
    return [
        Error(
            f"KEY_ENCRYPTION_KEYS lacks the key {kek_id!r}, under which secrets are still stored.",
            hint=f"Put `{kek_id}:<its base64>` back, after the current key.",
            id="credentials.E003",
        )
        for kek_id in sorted(set(named) - known.keys())
    ]
