"""Stored answers at rest: Fernet under keys derived from the key-encryption keys (HKDF-SHA256, RFC 5869)."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from integrationhub.core import encryption_keys


def seal(plaintext: bytes) -> bytes:
    return _fernet(tuple(settings.KEY_ENCRYPTION_KEYS)).encrypt(plaintext)


def unseal(sealed: bytes) -> bytes:
    """Raises `cryptography.fernet.InvalidToken` when no configured key opens it."""
    return _fernet(tuple(settings.KEY_ENCRYPTION_KEYS)).decrypt(sealed)


@lru_cache(maxsize=4)
def _fernet(pairs: tuple[str, ...]) -> MultiFernet:
    """The first key seals, all of them open."""
    return MultiFernet([Fernet(_derived(key)) for key in encryption_keys.parse(pairs).values()])


def _derived(key: bytes) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"integration-hub stored answers")
    return base64.urlsafe_b64encode(hkdf.derive(key))
