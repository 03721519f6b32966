"""The tenants' data keys: made at first use, wrapped before they are stored, and remembered unwrapped for minutes."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import transaction

from credentials.errors import VaultUnreadable
from credentials.models import TenantKey
from credentials.sealing import Context, DataKey, place
from integrationhub.core import encryption_keys
from integrationhub.core.encryption_keys import KEY_BYTES, KeyUnusable
from integrationhub.core.ids import new_id
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import tenant_scope

REMEMBERED_SECONDS = 300
MOST_REMEMBERED = 1024


class Wrapped(NamedTuple):
    data: bytes
    kek_id: str


class Wrapper(Protocol):
    """Who wraps data keys. It may be another host: it is never asked inside a transaction."""

    def current_id(self) -> str:
        """The id of the key-encryption key that wraps now."""

    def wrap(self, keys: Sequence[DataKey]) -> list[Wrapped]:
        """Under the current key-encryption key."""

    def unwrap(self, rows: Sequence[TenantKey]) -> list[DataKey]:
        """Raises VaultUnreadable where one of them does not open."""


class LocalKeys:
    """Wraps under the key-encryption keys of the settings."""

    def current_id(self) -> str:
        return encryption_keys.current_id()

    def wrap(self, keys: Sequence[DataKey]) -> list[Wrapped]:
        return [Wrapped(*encryption_keys.wrap(key.secret, place_of_key(key.tenant_id, key.id))) for key in keys]

    def unwrap(self, rows: Sequence[TenantKey]) -> list[DataKey]:
        return [DataKey(row.id, row.tenant_id, self._secret(row)) for row in rows]

    def _secret(self, row: TenantKey) -> bytes:
        try:
            return encryption_keys.unwrap(bytes(row.wrapped), row.kek_id, place_of_key(row.tenant_id, row.id))
        except KeyUnusable as error:
            raise VaultUnreadable(str(error), reason=error.reason) from error


class DataKeys:
    """A process's view of all tenants' keys. Safe to share between threads.

    A key that another process has retired may go on sealing here for `REMEMBERED_SECONDS`; what it sealed opens, since
    each value names its key and retired keys stay until no value does.
    """

    def __init__(self, wrapper: Wrapper) -> None:
        self._wrapper = wrapper
        self._current: ShortMemory[UUID, DataKey] = ShortMemory(seconds=REMEMBERED_SECONDS, capacity=MOST_REMEMBERED)
        self._by_id: ShortMemory[UUID, DataKey] = ShortMemory(seconds=REMEMBERED_SECONDS, capacity=MOST_REMEMBERED)

    def current(self, tenant_id: UUID) -> DataKey:
        """The key that the tenant's values are sealed with now. Raises VaultUnreadable."""
        if (known := self._current.get(tenant_id)) is not None:
            return known
        with tenant_scope(tenant_id):
            row = _current_row(tenant_id)
        key = self._remembered(row or self._made(tenant_id))
        transaction.on_commit(lambda: self._current.put(tenant_id, key))
        return key

    def of(self, tenant_id: UUID, key_id: UUID) -> DataKey:
        """The tenant's key of this id, current or not. Raises VaultUnreadable."""
        key = self._by_id.get(key_id)
        if key is None:
            with tenant_scope(tenant_id):
                row = TenantKey.objects.for_tenant(tenant_id).filter(id=key_id).first()
            key = self._remembered(row) if row else None
        if key is None or key.tenant_id != tenant_id:
            raise VaultUnreadable("The stored secret names a key that this tenant does not have.", reason="foreign_key")
        return key

    def _made(self, tenant_id: UUID) -> TenantKey:
        """Of two processes that make it at once, the constraint lets one through."""
        [fresh] = fresh_rows(self._wrapper, [tenant_id])
        with tenant_scope(tenant_id):
            TenantKey.objects.bulk_create([fresh], ignore_conflicts=True)
            return TenantKey.objects.for_tenant(tenant_id).get(retired_at=None)

    def _remembered(self, row: TenantKey) -> DataKey:
        [key] = self._wrapper.unwrap([row])
        # A key made in a transaction that is rolled back never was; so it is remembered at its commit only.
        transaction.on_commit(lambda: self._by_id.put(key.id, key))
        return key


def fresh_rows(wrapper: Wrapper, tenants: Sequence[UUID]) -> list[TenantKey]:
    """A new key for each tenant, wrapped and not stored yet."""
    keys = [DataKey(new_id(), tenant_id, AESGCM.generate_key(KEY_BYTES * 8)) for tenant_id in tenants]
    return [
        TenantKey(id=key.id, tenant_id=key.tenant_id, wrapped=data, kek_id=kek_id, first_kek_id=kek_id)
        for key, (data, kek_id) in zip(keys, wrapper.wrap(keys), strict=True)
    ]


def place_of_key(tenant_id: UUID, key_id: UUID) -> bytes:
    return place(Context(tenant_id, TenantKey._meta.db_table, key_id, "wrapped"))


def _current_row(tenant_id: UUID) -> TenantKey | None:
    return TenantKey.objects.for_tenant(tenant_id).filter(retired_at=None).first()
