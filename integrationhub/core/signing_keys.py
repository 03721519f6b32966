"""The keys that verify bearer tokens: one from the settings, or a key set that is fetched and kept."""

import logging
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import jwt
from django.conf import settings

from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import Unexpected
from integrationhub.core.outbound import Client, OutboundError, deployment_client

logger = logging.getLogger(__name__)

ALGORITHMS = ("HS256", "RS256", "ES256")
_KEY_TYPES = {"RS256": "RSA", "ES256": "EC"}
_FETCH_SECONDS = 2.0


class Keys(Protocol):
    def find(self, kid: str | None) -> Any:
        """The key for a token with this `kid`, or None where there is no such key."""


class OneKey:
    """The key of the settings. It has no id, so a token that names one was signed with some other key."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def find(self, kid: str | None) -> Any:
        return self._key if kid is None else None


class KeySet:
    """The JSON Web Key Set at `url` (RFC 7517), fetched when needed, and again after ten minutes.

    A `kid` that is unknown causes a fetch too, at most one each 30 s, so that made-up ids cannot flood the issuer.
    While the issuer is away the known keys stay in use.
    """

    refetch_seconds, lifetime_seconds = 30.0, 600.0

    def __init__(self, url: str, algorithm: str, client: Client | None = None) -> None:
        self._url, self._algorithm, self._client = url, algorithm, client or deployment_client()
        self._keys: Mapping[str | None, Any] = {}
        self._tried_at = self._fetched_at = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str | None) -> Any:
        """As `Keys.find`. Raises Unexpected (retryable) while there is no key set: that is not the caller's fault."""
        now = time.monotonic()
        if kid not in self._keys:
            with self._lock:
                self._fetch_if_due(now)
        elif now - self._fetched_at > self.lifetime_seconds and self._lock.acquire(blocking=False):
            # One thread fetches; the others go on with the key that they have.
            try:
                self._fetch_if_due(now)
            finally:
                self._lock.release()
        if not self._keys:
            raise Unexpected(
                "The keys that verify tokens are unavailable.",
                retryable=True,
                retry_after=self._tried_at + self.refetch_seconds - now,
                reason="keys_unavailable",
            )
        return self._keys.get(kid)

    def _fetch_if_due(self, now: float) -> None:
        if now - self._tried_at > self.refetch_seconds:
            self._tried_at = now
            self._fetch()

    def _fetch(self) -> None:
        try:
            answer = self._client.request("GET", self._url, deadline=Deadline.after(_FETCH_SECONDS))
            keys = _usable(answer.json(), self._algorithm) if answer.status == 200 else {}
        except OutboundError as error:
            logger.warning("key_set_unavailable", extra={"reason": error.reason})
            return
        if keys:
            self._keys, self._fetched_at = keys, time.monotonic()
        else:
            logger.warning("key_set_unusable", extra={"status": answer.status})


def _usable(document: Any, algorithm: str) -> dict[str | None, Any]:
    rows = document.get("keys") if isinstance(document, dict) else None
    found: dict[str | None, Any] = {}
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or row.get("kty") != _KEY_TYPES[algorithm] or row.get("use", "sig") != "sig":
            continue
        if row.get("alg", algorithm) != algorithm:
            continue
        try:
            found[row.get("kid")] = jwt.PyJWK(row, algorithm=algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            logger.warning("key_unusable", extra={"reason": type(error).__name__})
    return found


@cache
def keys() -> Keys:
    """The keys of this deployment, prepared once per process."""
    algorithm = settings.JWT_ALGORITHM
    if algorithm == "HS256":
        return OneKey(settings.JWT_SECRET)
    if settings.JWT_JWKS_URL:
        return KeySet(settings.JWT_JWKS_URL, algorithm)
    return OneKey(jwt.get_algorithm_by_name(algorithm).prepare_key(settings.JWT_PUBLIC_KEY))
