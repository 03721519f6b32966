"""The one maker of Redis (or Valkey) clients for rate limits: short time-outs and no retries."""

from functools import cache

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def client() -> Redis:
    """This process's client. Each command ends within `REDIS_TIMEOUT_SECONDS`, since redis-py's own retries are off."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=settings.REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=settings.REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        # The older protocol needs no greeting, so that a new connection costs one round trip less.
        protocol=2,
        driver_info=None,
        max_connections=settings.WEB_THREADS + 8,
    )
