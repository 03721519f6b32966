"""The one way to Redis (or Valkey): scripts that are run in a tenth of a second, or not at all while it is away."""

import hashlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool
from redis.exceptions import ConnectionError as ConnectionLostError
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

# A thread that tries alone has so long before the next one may try too: more than a try takes.
ALONE_SECONDS = 1.0


class Script:
    """A Lua script that answers with anything but nil; the server knows it by its digest."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Presence:
    """Whether Redis is there: after a failure one thread at a time tries; three in a row make a pause of `seconds`.

    What failed together counts once: a pause of Redis that sixteen threads ran into is one failure and not sixteen.
    """

    def __init__(self, failures: int = 3, seconds: float = 5.0) -> None:
        self._most, self._seconds = failures, seconds
        self._failures, self._failed_at, self._not_before = 0, 0.0, 0.0
        self._lock = threading.Lock()

    @property
    def is_away(self) -> bool:
        return self._failures >= self._most

    def may_try(self) -> bool:
        if not self._failures:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._not_before:
                return False
            self._not_before = now + ALONE_SECONDS
            return True

    def succeeded(self) -> None:
        if not self._failures:
            return
        with self._lock:
            was_away, self._failures = self.is_away, 0
        if was_away:
            logger.info("redis_back")

    def failed(self, began: float, error: Exception) -> None:
        """`began`: when the try did, in monotonic seconds."""
        with self._lock:
            if began < self._failed_at:
                return
            was_away, self._failures = self.is_away, self._failures + 1
            self._failed_at = self._not_before = time.monotonic()
            if self.is_away:
                self._not_before += self._seconds
        if self.is_away and not was_away:
            logger.warning("redis_away", extra={"reason": f"{type(error).__name__}: {error}"})


presence = Presence()
# The connections that no thread is using. A pool of redis-py's costs more than the command that it serves.
_idle: deque[Connection] = deque()


def run(script: Script, keys: Sequence[str], args: Sequence[str | int | float]) -> Any | None:
    """The script's answer, numbers as int and texts as bytes; None while Redis is away. Raises nothing of Redis's."""
    if not presence.may_try():
        return None
    began = time.monotonic()
    try:
        answer = _run(script, keys, args)
    except (RedisError, OSError) as error:
        presence.failed(began, error)
        return None
    presence.succeeded()
    return answer


def _run(script: Script, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
    try:
        connection = _idle.pop()
    except IndexError:
        return _ask(_connection(), script, keys, args)
    try:
        return _ask(connection, script, keys, args)
    except ConnectionLostError:
        # It stood idle while the server went, and so did the others; a time-out is another error, and not tried again.
        _idle.clear()
        return _ask(_connection(), script, keys, args)


def _ask(connection: Connection, script: Script, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
    """Over this connection, which stands idle afterwards; after an error it is dropped, since it may be out of step."""
    connection.send_command("EVALSHA", script.digest, len(keys), *keys, *args)
    try:
        answer = connection.read_response()
    except NoScriptError:
        connection.send_command("EVAL", script.text, len(keys), *keys, *args)
        answer = connection.read_response()
    _idle.append(connection)
    return answer


def _connection() -> Connection:
    kind, parameters = _parameters()
    return kind(**parameters)


@cache
def _parameters() -> tuple[type[Connection], dict[str, Any]]:
    """Each step of a connection ends within `REDIS_TIMEOUT_SECONDS`, since redis-py's own retries are off."""
    pool = ConnectionPool.from_url(
        settings.REDIS_URL,
        socket_timeout=settings.REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=settings.REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        # The older protocol needs no greeting, so that a new connection costs one round trip less.
        protocol=2,
        driver_info=None,
    )
    return pool.connection_class, pool.connection_kwargs


def forget() -> None:
    """Start anew, as in a new process: no connection, no address, nothing known of the server."""
    global presence
    presence = Presence()
    _idle.clear()
    _parameters.cache_clear()


# A connection belongs to the process that opened it; Celery forks.
os.register_at_fork(after_in_child=forget)
