"""The keys that verify bearer tokens: one from the settings, or a key set that is fetched and kept."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import jwt
from django.conf import settings

from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import Unexpected
from integrationhub.core.outbound import Client, OutboundError, deployment_client

logger = logging.getLogger(__name__)

ALGORITHMS = ("HS256", "RS256", "ES256")
_KEY_TYPES = {"RS256": "RSA", "ES256": "EC"}
_FETCH_SECONDS = 2.0
_Key = TypeVar("_Key")


class Keys(Protocol):
    def find(self, kid: str | None) -> Any:
        """The key for a token with this `kid`, or None where there is no such key."""


class OneKey:
    """The key of the settings. It has no id, so a token that names one was signed with some other key."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def find(self, kid: str | None) -> Any:
        return self._key if kid is None else None


class KeySet(Generic[_Key]):
    """A JSON Web Key Set at `url` (RFC 7517), fetched when needed, and again after ten minutes.

    A `kid` that is unknown causes a fetch too, at most one each 30 s, so that made-up ids cannot flood the issuer.
    While the issuer is away the known keys stay in use. A subclass says what it keeps of a set.
    """

    refetch_seconds, lifetime_seconds = 30.0, 600.0

    def __init__(self, url: str, client: Client) -> None:
        self._url, self._client = url, client
        self._keys: Mapping[str | None, _Key] = {}
        self._tried_at = self._fetched_at = float("-inf")
        self._lock = threading.Lock()

    def read(self, document: Any) -> Mapping[str | None, _Key]:
        """The keys of a set that was fetched, by id; none where it is no set."""
        raise NotImplementedError

    def find(self, kid: str | None, deadline: Deadline | None = None) -> _Key | None:
        """As `Keys.find`, fetching until the deadline at most. Raises Unexpected (retryable) while there is no key set,
        since that is not the caller's fault."""
        now = time.monotonic()
        deadline = (deadline or Deadline.after(_FETCH_SECONDS)).within(_FETCH_SECONDS)
        if kid not in self._keys:
            with self._lock:
                self._fetch_if_due(now, deadline)
        elif now - self._fetched_at > self.lifetime_seconds and self._lock.acquire(blocking=False):
            # One thread fetches; the others go on with the key that they have.
            try:
                self._fetch_if_due(now, deadline)
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

    def _fetch_if_due(self, now: float, deadline: Deadline) -> None:
        if now - self._tried_at > self.refetch_seconds:
            self._tried_at = now
            self._fetch(deadline)

    def _fetch(self, deadline: Deadline) -> None:
        try:
            answer = self._client.request("GET", self._url, deadline=deadline)
            keys = self.read(answer.json()) if answer.status == 200 else {}
        except OutboundError as error:
            logger.warning("key_set_unavailable", extra={"reason": error.reason})
            return
        if keys:
            self._keys, self._fetched_at = keys, time.monotonic()
        else:
            logger.warning("key_set_unusable", extra={"status": answer.status})


class IssuerKeys(KeySet[Any]):
    """Those of one algorithm: what signs by another is none of ours."""

    def __init__(self, url: str, algorithm: str) -> None:
        super().__init__(url, deployment_client())
        self._algorithms = {_KEY_TYPES[algorithm]: algorithm}

    def read(self, document: Any) -> Mapping[str | None, Any]:
        return {row.get("kid"): key for row, key in usable(document, self._algorithms)}


def usable(document: Any, algorithms: Mapping[str, str]) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Each row of a key set that verifies by the algorithm of its type (`kty`), with the key made of it."""
    rows = document.get("keys") if isinstance(document, dict) else None
    for row in rows if isinstance(rows, list) else []:
        algorithm = algorithms.get(str(row.get("kty"))) if isinstance(row, dict) else None
        if algorithm is None or row.get("use", "sig") != "sig" or row.get("alg", algorithm) != algorithm:
            continue
        if not isinstance(row.get("kid"), (str, type(None))):
            continue
        try:
            yield row, jwt.PyJWK(row, algorithm=algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            logger.warning("key_unusable", extra={"reason": type(error).__name__})


@cache
def keys() -> Keys:
    """The keys of this deployment, prepared once per process."""
    algorithm = settings.JWT_ALGORITHM
    if algorithm == "HS256":
        return OneKey(settings.JWT_SECRET)
    if settings.JWT_JWKS_URL:
        return IssuerKeys(settings.JWT_JWKS_URL, algorithm)
    return OneKey(jwt.get_algorithm_by_name(algorithm).prepare_key(settings.JWT_PUBLIC_KEY))
