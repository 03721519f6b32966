"""A sliding 60-second window per key: counted in Redis by one script, in this process while Redis is away."""

import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass

from integrationhub.core.valkey_client import Script

WINDOW_SECONDS = 60

# Counts by tenths of a second, so that a key's memory is bounded whatever the limit. `oldest` is the first tenth that
# may hold a count; a refused request is not counted.
# KEYS: window, then any others. ARGV: limit, cost. Returns: taken?, used, tenths of a second until the oldest count
# leaves; then the values of the other keys ('' for one that is not there).
TAKE = Script(
    """
local limit, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 10 + math.floor(time[2] / 100000)
local used = tonumber(redis.call('HGET', KEYS[1], 'used') or '0')
local oldest = tonumber(redis.call('HGET', KEYS[1], 'oldest') or now)
if now - oldest >= 1200 then
  redis.call('DEL', KEYS[1])
  used, oldest = 0, now
end
while used > 0 and oldest < now do
  local count = redis.call('HGET', KEYS[1], oldest)
  if count then
    if now - oldest < 600 then break end
    redis.call('HDEL', KEYS[1], oldest)
    used = used - tonumber(count)
  end
  oldest = oldest + 1
end
if used == 0 then oldest = now end
local taken = 0
if used + cost <= limit then
  taken, used = 1, used + cost
  redis.call('HINCRBY', KEYS[1], now, cost)
end
redis.call('HSET', KEYS[1], 'used', used, 'oldest', oldest)
redis.call('EXPIRE', KEYS[1], 61)
local answer = {taken, used, oldest + 600 - now}
for i = 2, #KEYS do answer[i + 2] = redis.call('GET', KEYS[i]) or '' end
return answer
"""
)


@dataclass(frozen=True, slots=True)
class Count:
    """What a window said: whether the request found room, how many it holds, and in how long the oldest one leaves."""

    is_taken: bool
    used: int
    seconds_to_room: float


class LocalWindows:
    """The same windows in the memory of one process, for at most `most_keys` keys; the longest unused ones go first."""

    def __init__(self, most_keys: int = 10_000) -> None:
        self._most_keys = most_keys
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, *, limit: int, cost: int = 1, now: float | None = None) -> Count:
        """Count `cost` requests against `limit` if they fit; `now` is in monotonic seconds."""
        now = time.monotonic() if now is None else now
        with self._lock:
            taken = self._taken.setdefault(key, deque())
            self._taken.move_to_end(key)
            while len(self._taken) > self._most_keys:
                self._taken.popitem(last=False)
            while taken and now - taken[0] >= WINDOW_SECONDS:
                taken.popleft()
            fits = len(taken) + cost <= limit
            if fits:
                taken.extend([now] * cost)
            return Count(fits, len(taken), taken[0] + WINDOW_SECONDS - now if taken else 0.0)
