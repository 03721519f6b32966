"""Claim a key, keep the answer given under it, and give it again.

A claim without an answer belongs to a request that still runs. Claims and answers end after a day.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.utils.crypto import constant_time_compare, salted_hmac

from integrationhub.core.errors import InvalidRequest, Unexpected
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import call_in_scope, run_in_scope, tenant_scope
from integrationhub.idempotency.sealing import Unopened, seal, unseal

LIFETIME = timedelta(hours=24)
# A request that is no execution answers within this time or has died with its process.
ABANDONED_AFTER = timedelta(seconds=60)
LONGEST_KEY = 255
LONGEST_PATH = 300

CLAIM = "hub_claim_key"
FIND = """
SELECT fingerprint, execution_id, answer FROM idempotency_storedanswer
WHERE tenant_id = %(tenant_id)s AND path = %(path)s AND key = %(key)s
  AND created_at >= now() - make_interval(secs => %(lifetime)s)
  AND NOT (answer IS NULL AND execution_id IS NULL
           AND created_at < now() - make_interval(secs => %(abandoned_after)s))
"""
STORE = """
UPDATE idempotency_storedanswer SET answer = %(sealed)s
WHERE tenant_id = %(tenant_id)s AND path = %(path)s AND key = %(key)s AND answer IS NULL
  AND (%(claim_id)s::uuid IS NULL OR id = %(claim_id)s::uuid)
RETURNING id
"""
RELEASE = """
DELETE FROM idempotency_storedanswer WHERE id = %(claim_id)s AND tenant_id = %(tenant_id)s AND answer IS NULL
"""
STORED = """
SELECT answer FROM idempotency_storedanswer
WHERE tenant_id = %(tenant_id)s AND path = %(path)s AND key = %(key)s AND answer IS NOT NULL
"""

CLAIMED = """
SELECT path FROM idempotency_storedanswer
WHERE tenant_id = %(tenant_id)s AND key = %(key)s AND path = ANY(%(paths)s)
"""


@dataclass(frozen=True, slots=True)
class Key:
    """An `Idempotency-Key` in its scope: tenant, path without version, and the body it first came with."""

    tenant_id: UUID
    path: str
    value: str
    fingerprint: bytes

    @classmethod
    def of(cls, *, tenant_id: UUID, path: str, value: str, body: Any) -> Self:
        """Raises InvalidRequest when the value is not 1 to 255 printable ASCII characters."""
        if not (1 <= len(value) <= LONGEST_KEY and value.isascii() and value.isprintable()):
            raise InvalidRequest(
                "The Idempotency-Key must be 1 to 255 printable ASCII characters.", reason="invalid_idempotency_key"
            )
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_digest)
        # Keyed, since a body may hold a secret that a plain hash would let a reader of the database guess.
        digest = salted_hmac("integrationhub.idempotency", canonical, algorithm="sha256").digest()
        if len(path) > LONGEST_PATH:
            path = f"sha256:{hashlib.sha256(path.encode()).hexdigest()}"
        return cls(tenant_id, path, value, digest)

    def part(self, position: int, body: Any) -> Self:
        """The key of one of the things that a request asks for: what has been done of them is known one by one."""
        return self.of(tenant_id=self.tenant_id, path=f"{self.path}#{position}", value=self.value, body=body)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it went out: status, the headers worth repeating, and the exact bytes of the body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Running:
    """The first request under this key has not answered; `execution_id` is what it started, if it has."""

    execution_id: UUID | None


def find(key: Key) -> Answer | Running | None:
    """What is known of this key. Raises InvalidRequest 422 when it came with another body before."""
    [rows] = run_in_scope(key.tenant_id, FIND, **_place(key), **_BOUNDS)
    if not rows:
        return None
    [(fingerprint, execution_id, sealed)] = rows
    if not constant_time_compare(bytes(fingerprint), key.fingerprint):
        raise InvalidRequest(
            "This Idempotency-Key was used before with another body. Use a new key for a new request.",
            status=422,
            reason="idempotency_key_reused",
        )
    return Running(execution_id) if sealed is None else _opened(key, bytes(sealed))


def find_parts(parts: Sequence[Key]) -> list[Answer | Running | None]:
    """What is known of each `part` of one key, by one query where nothing is. Raises as `find` does."""
    if not parts:
        return []
    paths = [part.path for part in parts]
    [rows] = run_in_scope(parts[0].tenant_id, CLAIMED, key=parts[0].value, paths=paths)
    claimed = {path for (path,) in rows}
    return [find(part) if part.path in claimed else None for part in parts]


def claiming(key: Key, *, claim_id: UUID, execution_id: UUID | None = None) -> dict[str, Any]:
    """What the database's `hub_claim_key` is given, alone or by another function."""
    return {
        **_place(key),
        **_BOUNDS,
        "claim_id": claim_id,
        "fingerprint": key.fingerprint.hex(),
        "claimed_for": execution_id,
    }


def claim(key: Key) -> UUID | None:
    """Take the key; returns the claim's id, None when another request holds it."""
    claim_id = new_id()
    with tenant_scope(key.tenant_id):
        [(is_taken,)] = call_in_scope(key.tenant_id, CLAIM, claiming(key, claim_id=claim_id))
    return claim_id if is_taken else None


def store(key: Key, answer: Answer, *, claim_id: UUID | None = None) -> Answer:
    """Keep the answer for the rest of the day; returns the one that stands, since the first one kept is never replaced.

    A claim that was taken over meanwhile is left alone (`claim_id`).
    """
    record = {
        "scope": [str(key.tenant_id), key.path, key.value],
        "status": answer.status,
        "headers": answer.headers,
        "body": answer.body.decode(),
    }
    sealed = seal(json.dumps(record).encode())
    kept, standing = run_in_scope(key.tenant_id, STORE, STORED, **_place(key), sealed=sealed, claim_id=claim_id)
    if kept or claim_id or not standing:
        return answer
    return _opened(key, bytes(standing[0][0]))


def release(key: Key, *, claim_id: UUID) -> None:
    """Give the key back, as if the request had never come."""
    run_in_scope(key.tenant_id, RELEASE, claim_id=claim_id)


def still_running() -> InvalidRequest:
    """The answer to a repeat that came while the first request runs."""
    return InvalidRequest(
        "A request with this Idempotency-Key is still running. Repeat it in a moment to get its answer.",
        status=409,
        reason="idempotency_key_in_use",
        retryable=True,
        retry_after=1,
    )


def _digest(file: Any) -> list[str]:
    """What stands for a file of a form: the same bytes under the same name are the same body."""
    file.seek(0)
    return [file.name, file.content_type, hashlib.file_digest(file, "sha256").hexdigest()]


_BOUNDS = {"lifetime": LIFETIME.total_seconds(), "abandoned_after": ABANDONED_AFTER.total_seconds()}


def _place(key: Key) -> dict[str, str]:
    return {"path": key.path, "key": key.value}


def _opened(key: Key, sealed: bytes) -> Answer:
    """An answer that no configured key opens, or that was moved here from another row, is never acted on again."""
    try:
        record = json.loads(unseal(sealed))
    except Unopened:
        record = {"scope": None}
    if record["scope"] != [str(key.tenant_id), key.path, key.value]:
        raise Unexpected("The stored answer of this Idempotency-Key can't be opened. Nothing was done a second time.")
    return Answer(record["status"], record["headers"], record["body"].encode())
