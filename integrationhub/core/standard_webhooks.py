"""Signatures by which a receiver knows who called: https://www.standardwebhooks.com, version 1."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

PREFIX = "whsec_"
# 24 to 64 bytes: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
SECRET: dict[str, Any] = {
    "type": "string",
    "pattern": f"^{PREFIX}[A-Za-z0-9+/]{{32,86}}={{0,2}}$",
    "x-secret": True,
    "description": f"{PREFIX} and 24 to 64 bytes in base64",
}


def key_of(secret: str) -> bytes:
    """Raises ValueError for a secret that is none."""
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("The secret is not whsec_ and base64.") from None


def headers(keys: Iterable[bytes], *, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """What a message is sent with, signed by each key: by two while one is replaced; `seconds` since 1970."""
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    told = " ".join(f"v1,{signature}" for signature in signatures)
    return {"webhook-id": message_id, "webhook-timestamp": str(seconds), "webhook-signature": told}
