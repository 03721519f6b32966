"""The bytes of a sealed value: AES-256-GCM under a tenant's data key, bound to the place that it was sealed for.

A value: format (1 byte), id of the data key (16), nonce (12), ciphertext and tag. The additional data names the format,
the place and the key, so that nothing opens elsewhere. A pointer to a value that a vault keeps: its own format, id of
the data key, id of the value there (16).
"""

import os
from dataclasses import dataclass, replace
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from credentials.errors import VaultUnreadable
from integrationhub.core.encryption_keys import NONCE_BYTES, named

VALUE, POINTER = b"\x01", b"\x02"
HEAD_BYTES = 17
TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Context:
    """Where a sealed value lives. It opens there only: not in another row, field, table or tenant."""

    tenant_id: UUID
    table: str
    row_id: UUID
    field: str


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    id: UUID
    tenant_id: UUID
    secret: bytes


def seal(key: DataKey, plaintext: bytes, context: Context) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return VALUE + key.id.bytes + nonce + AESGCM(key.secret).encrypt(nonce, plaintext, _additional(context, key.id))


def unseal(key: DataKey, sealed: bytes, context: Context) -> bytes:
    """Raises VaultUnreadable for anything but what `seal` returned under this key for this very place."""
    nonce, ciphertext = sealed[HEAD_BYTES : HEAD_BYTES + NONCE_BYTES], sealed[HEAD_BYTES + NONCE_BYTES :]
    try:
        return AESGCM(key.secret).decrypt(nonce, ciphertext, _additional(context, key.id))
    except (InvalidTag, ValueError) as error:
        raise VaultUnreadable("The stored secret was moved or changed.", reason="tampered") from error


def key_id(sealed: bytes) -> UUID:
    """The data key that a value or a pointer names. Raises VaultUnreadable where it is neither."""
    shortest = HEAD_BYTES + NONCE_BYTES + TAG_BYTES if sealed[:1] == VALUE else HEAD_BYTES + 16
    if sealed[:1] not in (VALUE, POINTER) or len(sealed) < shortest:
        raise VaultUnreadable("The stored secret is cut short or of an unknown format.", reason="bad_format")
    return UUID(bytes=sealed[1:HEAD_BYTES])


def pointer(key: UUID, value_id: UUID) -> bytes:
    return POINTER + key.bytes + value_id.bytes


def is_pointer(sealed: bytes) -> bool:
    return sealed[:1] == POINTER


def value_id(kept: bytes) -> UUID:
    """The id under which a vault keeps the value of this pointer. Raises VaultUnreadable where it is none."""
    if not is_pointer(kept) or len(kept) != HEAD_BYTES + 16:
        raise VaultUnreadable("The stored secret is cut short or of an unknown format.", reason="bad_format")
    return UUID(bytes=kept[HEAD_BYTES:])


def kept_as(context: Context, value: UUID) -> Context:
    """The place of a value that a vault keeps: it opens for this pointer only, and not for another one of the row."""
    return replace(context, field=f"{context.field}/{value}")


def place(context: Context) -> bytes:
    return named(str(context.tenant_id), context.table, str(context.row_id), context.field)


def _additional(context: Context, key: UUID) -> bytes:
    return VALUE + named(str(context.tenant_id), context.table, str(context.row_id), context.field, str(key))
