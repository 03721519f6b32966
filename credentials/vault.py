"""Where secrets are sealed before they are stored, and opened just before they are used."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from credentials.data_keys import Wrapper
from credentials.hashicorp_vault import HashicorpVault
from credentials.local_vault import LocalVault
from credentials.sealing import Context
from integrationhub.core.deadline import Deadline

__all__ = ["BACKENDS", "Context", "Vault", "fingerprint", "forget", "fresh_vault", "vault"]

AT_ONCE = timedelta(0)


class Vault(Protocol):
    """`seal` is for values that stay in their row. `keep` is for secrets that a vault may take away from there: the row
    then holds what `keep` returned, and the vault learns by `claim` and `discard` what became of the row.
    """

    # Whether `keep` stores elsewhere than in the row.
    keeps_apart: bool

    @property
    def keys(self) -> Wrapper:
        """Who wraps the tenants' data keys."""

    def seal(self, plaintext: bytes, context: Context, deadline: Deadline | None = None) -> bytes:
        """Encrypt for this place. Raises VaultUnreadable."""

    def open(self, sealed: bytes, context: Context, deadline: Deadline | None = None) -> bytes:
        """Decrypt what `seal` or `keep` returned for this very place.

        Raises VaultUnreadable for anything else, and VaultUnavailable, one of these, where it cannot be known now.
        """

    def keep(self, plaintext: bytes, context: Context) -> bytes:
        """Put a secret away; returns what its row is to hold. Before the transaction that writes the row: it may ask
        another host. What no transaction claims within minutes is deleted. Raises VaultUnreadable."""

    def claim(self, kept: bytes, context: Context) -> None:
        """Inside the transaction that writes the row: from its commit on the row holds the secret."""

    def discard(self, kept: bytes, context: Context, *, after: timedelta = AT_ONCE) -> None:
        """Inside the transaction that empties the row: from its commit on, or later, it is deleted for good."""

    def key_id(self, sealed: bytes) -> str:
        """The name of the key that a sealed value needs. Raises VaultUnreadable."""


def vault() -> Vault:
    """The vault that `settings.VAULT_BACKEND` names. Raises ImproperlyConfigured for one that does not exist."""
    return _remembered(settings.VAULT_BACKEND)


def fresh_vault() -> Vault:
    """The same, remembering nothing. Raises ImproperlyConfigured."""
    backend = BACKENDS.get(settings.VAULT_BACKEND)
    if backend is None:
        raise ImproperlyConfigured(
            f"VAULT_BACKEND={settings.VAULT_BACKEND!r} is not available here: use one of {', '.join(BACKENDS)}."
        )
    return backend()


BACKENDS: dict[str, Callable[[], Vault]] = {"local": LocalVault, "vault": HashicorpVault}


@cache
def _remembered(_: str) -> Vault:
    """One for each process, since it remembers data keys."""
    return fresh_vault()


def forget() -> None:
    """What this process remembers of data keys and secrets."""
    _remembered.cache_clear()


def fingerprint(plaintext: bytes, tenant_id: UUID) -> str:
    """Tells one secret of a tenant from another without telling anything of it: 16 hex digits, keyed.

    By `SECRET_KEY` and not by a data key, so that the same secret keeps its fingerprint when keys are rotated.
    """
    own_key = hmac.digest(settings.SECRET_KEY.encode(), b"credential fingerprint" + tenant_id.bytes, hashlib.sha256)
    return hmac.digest(own_key, plaintext, hashlib.sha256).hex()[:16]
