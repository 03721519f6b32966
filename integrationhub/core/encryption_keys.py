"""The key-encryption keys of `settings.KEY_ENCRYPTION_KEYS`: `id:base64 of 32 bytes`, the current one first."""

import base64
import binascii
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
# NIST SP 800-38D, section 8.2.2: 96 random bits; section 8.3 then allows 2^32 values under one key.
NONCE_BYTES = 12
FORMAT = b"\x01"
LONGEST_ID = 64
_FIX = "set it to `id:key`, where key is what `openssl rand -base64 32` prints."


def parse(pairs: Sequence[str]) -> dict[str, bytes]:
    """Id to key, in the order given. Raises ImproperlyConfigured naming the entry at fault and the fix, not the key."""
    if not pairs:
        raise ImproperlyConfigured(f"KEY_ENCRYPTION_KEYS is missing: {_FIX}")
    keys: dict[str, bytes] = {}
    for position, pair in enumerate(pairs, 1):
        name, _, encoded = pair.partition(":")
        if not 0 < len(name) <= LONGEST_ID or len(key := _decoded(encoded)) != KEY_BYTES:
            raise ImproperlyConfigured(
                f"KEY_ENCRYPTION_KEYS, entry {position}, is not an id and {KEY_BYTES} bytes in base64: {_FIX}"
            )
        if name in keys:
            raise ImproperlyConfigured("KEY_ENCRYPTION_KEYS names one id twice: give each key an id of its own.")
        keys[name] = key
    return keys


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


class KeyUnusable(Exception):
    """A wrapped key does not open; `reason` is key_removed, bad_format or tampered."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def configured() -> dict[str, bytes]:
    """The keys of the settings. Raises ImproperlyConfigured."""
    return parse(settings.KEY_ENCRYPTION_KEYS)


def current_id() -> str:
    """The id of the key that wraps new keys. Raises ImproperlyConfigured."""
    return next(iter(configured()))


def wrap(secret: bytes, place: bytes) -> tuple[bytes, str]:
    """A key sealed under the current key-encryption key (AES-256-GCM), and the id of that one.

    It opens for this place and under this id only. Raises ImproperlyConfigured.
    """
    kek_id, kek = next(iter(configured().items()))
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(kek).encrypt(nonce, secret, _bound(place, kek_id)), kek_id


def unwrap(wrapped: bytes, kek_id: str, place: bytes) -> bytes:
    """What `wrap` was given. Raises KeyUnusable, and ImproperlyConfigured."""
    kek = configured().get(kek_id)
    if kek is None:
        raise KeyUnusable(
            f"The key-encryption key {kek_id!r} is not in KEY_ENCRYPTION_KEYS any more.", reason="key_removed"
        )
    if wrapped[:1] != FORMAT:
        raise KeyUnusable("A wrapped key is of an unknown format.", reason="bad_format")
    nonce, ciphertext = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
    try:
        return AESGCM(kek).decrypt(nonce, ciphertext, _bound(place, kek_id))
    except (InvalidTag, ValueError) as error:
        raise KeyUnusable("A wrapped key was moved or changed.", reason="tampered") from error


def _bound(place: bytes, kek_id: str) -> bytes:
    return FORMAT + place + named(kek_id)


def named(*parts: str) -> bytes:
    """Parts of a place. Each is preceded by its length, so that no two places read the same."""
    encoded = (part.encode() for part in parts)
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
