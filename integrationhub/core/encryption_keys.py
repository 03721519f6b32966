"""The key-encryption keys of `settings.KEY_ENCRYPTION_KEYS`: `id:base64 of 32 bytes`, the current one first."""

import base64
import binascii
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
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
