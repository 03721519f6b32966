"""Stored answers at rest: AES-256-GCM under keys of their own, wrapped by the key-encryption keys of the settings.

They are not the vault's: what an execution has done must be kept also while a vault is away.
Sealed: format (1 byte), id of the answer key (16), nonce (12), ciphertext and tag.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import transaction
from django.db.models.functions import Now

from integrationhub.core import encryption_keys
from integrationhub.core.encryption_keys import FORMAT, KEY_BYTES, NONCE_BYTES, KeyUnusable
from integrationhub.core.ids import new_id
from integrationhub.core.memory import ShortMemory
from integrationhub.idempotency.models import AnswerKey

# An answer lives for a day; processes may seal under a key that was retired some minutes before.
RETIRED_KEPT = timedelta(hours=25)


class Unopened(Exception):
    """A stored answer that no key opens, or that was changed."""


@dataclass(frozen=True, slots=True, repr=False)
class _Key:
    id: UUID
    secret: bytes


_current: ShortMemory[None, _Key] = ShortMemory(seconds=300, capacity=1)
_by_id: ShortMemory[UUID, _Key] = ShortMemory(seconds=300, capacity=64)


def seal(plaintext: bytes) -> bytes:
    key = _current.get(None) or _made_current()
    nonce = os.urandom(NONCE_BYTES)
    head = FORMAT + key.id.bytes
    return head + nonce + AESGCM(key.secret).encrypt(nonce, plaintext, head)


def unseal(sealed: bytes) -> bytes:
    """Raises Unopened."""
    head, nonce, ciphertext = sealed[:17], sealed[17 : 17 + NONCE_BYTES], sealed[17 + NONCE_BYTES :]
    if head[:1] != FORMAT or len(head) < 17:
        raise Unopened
    try:
        return AESGCM(_key(UUID(bytes=head[1:])).secret).decrypt(nonce, ciphertext, head)
    except (InvalidTag, ValueError, KeyUnusable) as error:
        raise Unopened from error


def forget() -> None:
    """What this process remembers of the keys."""
    _current.clear()
    _by_id.clear()


def rewrap() -> int:
    """Wrap every key that is not under the current key-encryption key anew; returns how many. Safe to do at once."""
    done = 0
    for row in AnswerKey.objects.using("system").exclude(kek_id=encryption_keys.current_id()):
        try:
            wrapped, kek_id = encryption_keys.wrap(_unwrapped(row).secret, _place(row.id))
        except KeyUnusable:
            continue  # The check of removed keys names it.
        same = AnswerKey.objects.using("system").filter(id=row.id, kek_id=row.kek_id)
        done += same.update(wrapped=wrapped, kek_id=kek_id)
    return done


def renew() -> int:
    """A fresh key, if the current one was made under another key-encryption key; returns how many were retired.

    Answers under the old one are left to end with their day; keys that no answer can need any more are deleted.
    """
    rows = AnswerKey.objects.using("system")
    rows.filter(retired_at__lt=Now() - RETIRED_KEPT).delete()
    due = rows.filter(is_current=True).exclude(first_kek_id=encryption_keys.current_id())
    with transaction.atomic(using="system"):
        retired = due.update(is_current=False, retired_at=Now())
        if retired:
            _new_row().save(using="system")
    return retired


def named_keys() -> set[str]:
    """The ids of the key-encryption keys without which some stored answers do not open."""
    return set(AnswerKey.objects.using("system").values_list("kek_id", flat=True))


def _key(key_id: UUID) -> _Key:
    if (known := _by_id.get(key_id)) is not None:
        return known
    row = AnswerKey.objects.filter(id=key_id).first()
    if row is None:
        raise Unopened
    return _remembered(row)


def _made_current() -> _Key:
    key = _remembered(current_row())
    transaction.on_commit(lambda: _current.put(None, key))
    return key


def _remembered(row: AnswerKey) -> _Key:
    key = _unwrapped(row)
    # A key made in a transaction that is rolled back never was; so it is remembered at its commit only.
    transaction.on_commit(lambda: _by_id.put(key.id, key))
    return key


def current_row() -> AnswerKey:
    """Made at first use. Of two processes that make it at once, the constraint lets one through."""
    rows = AnswerKey.objects.filter(is_current=True)
    if (stored := rows.first()) is None:
        AnswerKey.objects.bulk_create([_new_row()], ignore_conflicts=True)
        stored = rows.get()
    return stored


def _new_row() -> AnswerKey:
    row_id = new_id()
    wrapped, kek_id = encryption_keys.wrap(AESGCM.generate_key(KEY_BYTES * 8), _place(row_id))
    return AnswerKey(id=row_id, wrapped=wrapped, kek_id=kek_id, first_kek_id=kek_id)


def _unwrapped(row: AnswerKey) -> _Key:
    return _Key(row.id, encryption_keys.unwrap(bytes(row.wrapped), row.kek_id, _place(row.id)))


def _place(row_id: UUID) -> bytes:
    return encryption_keys.named(AnswerKey._meta.db_table, str(row_id), "wrapped")
