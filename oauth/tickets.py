"""Public one-time values that name a tenant and one of its rows: `state`, and the token of a connect link.

A ticket holds the tenant (it must be known before any row can be seen), 32 random bytes, and a keyed digest of both, so
that what we never gave is refused without a query. The row keeps a hash of it only.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings

_RANDOM, _MARK = 32, 16
_LENGTH = 16 + _RANDOM + _MARK


@dataclass(frozen=True, slots=True)
class Ticket:
    """`text` is given away, at most 86 characters of A-Z a-z 0-9 - _; `digest` is stored."""

    tenant_id: UUID
    digest: bytes
    text: str = field(repr=False)


def issue(purpose: str, tenant_id: UUID) -> Ticket:
    body = tenant_id.bytes + os.urandom(_RANDOM)
    return _ticket(body + _mark(purpose, body))


def read(purpose: str, text: str) -> Ticket | None:
    """The ticket, if it is one of ours for this purpose."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"==", altchars=b"-_", validate=True)
    except ValueError:
        return None
    if len(raw) != _LENGTH or not hmac.compare_digest(_mark(purpose, raw[:-_MARK]), raw[-_MARK:]):
        return None
    ticket = _ticket(raw)
    # Base64 has several spellings of some bytes; one of them is ours.
    return ticket if hmac.compare_digest(ticket.text, text) else None


def _ticket(raw: bytes) -> Ticket:
    text = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return Ticket(UUID(bytes=raw[:16]), hashlib.sha256(raw).digest(), text)


def _mark(purpose: str, body: bytes) -> bytes:
    key = hmac.digest(settings.SECRET_KEY.encode(), b"ticket " + purpose.encode(), hashlib.sha256)
    return hmac.digest(key, body, hashlib.sha256)[:_MARK]
