"""Where secrets are sealed before they are stored, and opened just before they are used."""

import hashlib
import hmac
import os
from dataclasses import dataclass
from functools import cache
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from credentials.errors import VaultUnreadable
from credentials.models import TenantKey
from integrationhub.core import encryption_keys
from integrationhub.core.encryption_keys import KEY_BYTES
from integrationhub.core.ids import new_id
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import tenant_scope

# NIST SP 800-38D, section 8.2.2: 96 random bits; section 8.3 then allows 2^32 values under one key.
NONCE_BYTES = 12
TAG_BYTES = 16
FORMAT = b"\x01"
PURPOSE_FINGERPRINT = b"fingerprint"
DATA_KEY_SECONDS = 300
DATA_KEYS_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Context:
    """Where a sealed value lives. It opens there only: not in another row, field, table or tenant."""

    tenant_id: UUID
    table: str
    row_id: UUID
    field: str


class Vault(Protocol):
    def seal(self, plaintext: bytes, context: Context) -> bytes:
        """Encrypt for this place."""

    def open(self, sealed: bytes, context: Context) -> bytes:
        """Decrypt. Raises VaultUnreadable for anything but what `seal` returned for this very place."""

    def key_id(self, sealed: bytes) -> str:
        """The name of the key that a sealed value needs."""

    def fingerprint(self, plaintext: bytes, tenant_id: UUID) -> str:
        """Tells one secret of a tenant from another without telling anything of it: 16 hex digits, keyed."""


def vault() -> Vault:
    """The vault that `settings.VAULT_BACKEND` names. Raises ImproperlyConfigured for one that does not exist."""
    backend = BACKENDS.get(settings.VAULT_BACKEND)
    if backend is None:
        raise ImproperlyConfigured(
            f"VAULT_BACKEND={settings.VAULT_BACKEND!r} is not available here: use one of {', '.join(BACKENDS)}."
        )
    return backend()


class LocalVault:
    """AES-256-GCM under a data key per tenant, which a key-encryption key of the settings wraps.

    Sealed: format (1 byte), id of the data key (16), nonce (12), ciphertext and tag. Wrapped keys: format, nonce,
    ciphertext and tag. The additional data names the format, the place and the key, so that nothing opens elsewhere.
    """

    def __init__(self) -> None:
        self._data_keys: ShortMemory[UUID, DataKey] = ShortMemory(seconds=DATA_KEY_SECONDS, capacity=DATA_KEYS_KEPT)

    def seal(self, plaintext: bytes, context: Context) -> bytes:
        key = self._data_key(context.tenant_id)
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = AESGCM(key.secret).encrypt(nonce, plaintext, _place(context, str(key.id)))
        return FORMAT + key.id.bytes + nonce + ciphertext

    def open(self, sealed: bytes, context: Context) -> bytes:
        key_id = self.key_id(sealed)
        key = self._data_key(context.tenant_id)
        if key_id != str(key.id):
            raise VaultUnreadable("The stored secret names a key that is not this tenant's.", reason="foreign_key")
        nonce, ciphertext = sealed[17 : 17 + NONCE_BYTES], sealed[17 + NONCE_BYTES :]
        return _decrypted(key.secret, nonce, ciphertext, _place(context, key_id))

    def key_id(self, sealed: bytes) -> str:
        if len(sealed) < 17 + NONCE_BYTES + TAG_BYTES or sealed[:1] != FORMAT:
            raise VaultUnreadable("The stored secret is cut short or of an unknown format.", reason="bad_format")
        return str(UUID(bytes=bytes(sealed[1:17])))

    def fingerprint(self, plaintext: bytes, tenant_id: UUID) -> str:
        # A key of its own, made from the data key, so that sealing and fingerprints never share one.
        own_key = hmac.digest(self._data_key(tenant_id).secret, PURPOSE_FINGERPRINT, hashlib.sha256)
        return hmac.digest(own_key, plaintext, hashlib.sha256).hex()[:16]

    def _data_key(self, tenant_id: UUID) -> "DataKey":
        if (known := self._data_keys.get(tenant_id)) is not None:
            return known
        with tenant_scope(tenant_id):
            key = _unwrapped(_stored_key(tenant_id))
            # A key made in a transaction that is rolled back never was; so it is remembered at its commit only.
            transaction.on_commit(lambda: self._data_keys.put(tenant_id, key))
        return key


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    id: UUID
    secret: bytes


@cache
def _local() -> LocalVault:
    return LocalVault()


BACKENDS = {"local": _local}


def key_encryption_keys() -> dict[str, bytes]:
    """Id to key from `settings.KEY_ENCRYPTION_KEYS`, the current one first. Raises ImproperlyConfigured."""
    return encryption_keys.parse(settings.KEY_ENCRYPTION_KEYS)


def _stored_key(tenant_id: UUID) -> TenantKey:
    """The tenant's row, made at first use. Of two processes that make it at once, the constraint lets one through."""
    rows = TenantKey.objects.for_tenant(tenant_id)
    if (stored := rows.first()) is None:
        TenantKey.objects.bulk_create([_new_key(tenant_id)], ignore_conflicts=True)
        stored = rows.get()
    return stored


def _new_key(tenant_id: UUID) -> TenantKey:
    row_id, nonce = new_id(), os.urandom(NONCE_BYTES)
    kek_id, kek = next(iter(key_encryption_keys().items()))
    secret = AESGCM.generate_key(KEY_BYTES * 8)
    wrapped = FORMAT + nonce + AESGCM(kek).encrypt(nonce, secret, _place(_key_context(tenant_id, row_id), kek_id))
    return TenantKey(id=row_id, tenant_id=tenant_id, wrapped=wrapped, kek_id=kek_id)


def _unwrapped(row: TenantKey) -> DataKey:
    kek = key_encryption_keys().get(row.kek_id)
    if kek is None:
        raise VaultUnreadable(
            f"The key-encryption key {row.kek_id!r} is not in KEY_ENCRYPTION_KEYS any more.", reason="key_removed"
        )
    wrapped = bytes(row.wrapped)
    if wrapped[:1] != FORMAT:
        raise VaultUnreadable("The tenant's key is of an unknown format.", reason="bad_format")
    nonce, ciphertext = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
    return DataKey(row.id, _decrypted(kek, nonce, ciphertext, _place(_key_context(row.tenant_id, row.id), row.kek_id)))


def _key_context(tenant_id: UUID, row_id: UUID) -> Context:
    return Context(tenant_id, "credentials_tenantkey", row_id, "wrapped")


def _decrypted(key: bytes, nonce: bytes, ciphertext: bytes, place: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, place)
    except (InvalidTag, ValueError) as error:
        raise VaultUnreadable("The stored secret was moved or changed.", reason="tampered") from error


def _place(context: Context, key_id: str) -> bytes:
    """The additional data. Each part is preceded by its length, so that no two places read the same."""
    parts = (str(context.tenant_id), context.table, str(context.row_id), context.field, key_id)
    encoded = (part.encode() for part in parts)
    return FORMAT + b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
