"""Wraps tenants' data keys by Transit, the vault's encryption as a service: its key never leaves the vault.

https://openbao.org/api-docs/secret/transit/
"""

import base64
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from credentials.data_keys import LocalKeys, Wrapped, place_of_key
from credentials.errors import VaultUnreadable
from credentials.hashicorp_client import HashicorpClient
from credentials.models import TenantKey
from credentials.sealing import DataKey

# A rotation asks for hundreds of keys at once; who asks for one has set a limit of its own.
BATCH_SECONDS = 10.0


class TransitKeys:
    """Ids are `transit/<key>:v<version>`. Keys that were wrapped under the settings' own keys open too, so that an
    installation can move to the vault while it runs."""

    def __init__(self, client: HashicorpClient) -> None:
        self._client, self._local = client, LocalKeys()

    def current_id(self) -> str:
        return _id(int(self._key()["latest_version"]))

    def wrap(self, keys: Sequence[DataKey]) -> list[Wrapped]:
        items = [{"plaintext": _text(key.secret), **_bound(key.tenant_id, key.id)} for key in keys]
        ciphertexts = [result["ciphertext"] for result in self._batch("encrypt_data", items)]
        return [Wrapped(text.encode(), _id(int(text.split(":")[1].removeprefix("v")))) for text in ciphertexts]

    def unwrap(self, rows: Sequence[TenantKey]) -> list[DataKey]:
        own = [row for row in rows if is_transit(row.kek_id)]
        opened = {key.id: key for key in self._local.unwrap([row for row in rows if not is_transit(row.kek_id)])}
        items = [{"ciphertext": _checked(row), **_bound(row.tenant_id, row.id)} for row in own]
        for row, result in zip(own, self._batch("decrypt_data", items), strict=True):
            opened[row.id] = DataKey(row.id, row.tenant_id, base64.b64decode(result["plaintext"]))
        return [opened[row.id] for row in rows]

    def missing(self, versions: set[str]) -> set[str]:
        """Those by which the vault does not decrypt any more. Raises VaultUnreadable where it has no such key."""
        # Versions below the key's min_decryption_version are not among its `keys`.
        return versions - {_id(int(version)) for version in self._key()["keys"]}

    def _key(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.call(
            lambda hvac: hvac.secrets.transit.read_key(
                settings.VAULT_TRANSIT_KEY, mount_point=settings.VAULT_TRANSIT_MOUNT
            )
        )
        return dict(found["data"])

    def _batch(self, operation: str, items: list[dict[str, str]]) -> list[dict[str, str]]:
        if not items:
            return []
        answer: Any = self._client.call(
            lambda hvac: getattr(hvac.secrets.transit, operation)(
                settings.VAULT_TRANSIT_KEY, batch_input=items, mount_point=settings.VAULT_TRANSIT_MOUNT
            ),
            seconds=BATCH_SECONDS,
        )
        results: list[dict[str, str]] = answer["data"]["batch_results"]
        if any("error" in result for result in results):
            raise VaultUnreadable("A tenant's key was moved or changed.", reason="tampered")
        return results


def is_transit(kek_id: str) -> bool:
    """An id of the settings holds no colon."""
    return ":" in kek_id


def _id(number: int) -> str:
    return f"transit/{settings.VAULT_TRANSIT_KEY}:v{number}"


def _checked(row: TenantKey) -> str:
    """The stored ciphertext, which names its version itself: the row's word for it must be the same."""
    text = bytes(row.wrapped).decode(errors="replace")
    if text.split(":")[1:2] != [row.kek_id.rpartition(":")[2]]:
        raise VaultUnreadable("A tenant's key is under another version than its row says.", reason="tampered")
    return text


def _bound(tenant_id: UUID, key_id: UUID) -> dict[str, str]:
    return {"associated_data": _text(place_of_key(tenant_id, key_id))}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
