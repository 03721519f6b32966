"""How fast one may write, by Meta's own limits: kept here, so that a message is refused before Meta counts it.

https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform
A number may send so many messages a second (`META_MESSAGES_PER_SECOND`), and to one customer a message every six
seconds, of which 45 at once may be borrowed from the future. What Meta refuses all the same is believed for as long as
it says. While Redis is away nothing is held back: Meta counts too.
"""

from django.conf import settings

from integrationhub.core import catalogue, valkey_client
from integrationhub.core.valkey_client import Script
from providers.errors import ProviderError, Retry
from providers.meta_refusals import NOTHING_SAID

PAIR_SECONDS, PAIR_BURST = 6.0, 45
PAIR, NUMBER = "pair_rate_limit", "throughput_limit"
# What Meta says of one customer, and of the whole number or its account.
# https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
_OF_PAIR, _OF_NUMBER = frozenset({131056}), frozenset({4, 80007, 130429})
# Meta's advice for a pair is to wait 4 to the power of how often it has refused.
_BASE, _LONGEST_SECONDS = 4, 256
_WORDS = {
    PAIR: "One customer may be written to once in six seconds, after 45 messages at once",
    NUMBER: "The number has sent as many messages as it may in a second, or Meta has asked it to wait",
}

# Each key holds when its limit is used up to, in milliseconds: a message moves it on by what it costs, and goes out
# where it is not further ahead than what may be borrowed. Nothing is counted of what is refused.
# KEYS: pair, number. ARGV: cost and most ahead of each. Returns the milliseconds to wait of each; 0 and 0: it may go.
_TAKE = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local waits, used_to = {0, 0}, {0, 0}
for i = 1, 2 do
  used_to[i] = math.max(now, tonumber(redis.call('GET', KEYS[i]) or '0')) + tonumber(ARGV[2 * i - 1])
  waits[i] = math.ceil(math.max(0, used_to[i] - now - tonumber(ARGV[2 * i])))
end
if waits[1] + waits[2] == 0 then
  for i = 1, 2 do redis.call('SET', KEYS[i], used_to[i], 'PX', math.ceil(used_to[i] - now)) end
end
return waits
"""
)
# KEYS: pair or number, and how often it was refused of late. ARGV: milliseconds to wait ('' for the power of four),
# base, longest, most ahead and cost. Nothing goes out until then, and after it one message at a time.
_PAUSE = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait = tonumber(ARGV[1])
if not wait then
  local before = redis.call('INCR', KEYS[2]) - 1
  wait = 1000 * math.min(tonumber(ARGV[3]), tonumber(ARGV[2]) ^ before)
  redis.call('PEXPIRE', KEYS[2], 2 * wait + 60000)
end
local used_to = now + wait + tonumber(ARGV[4]) - tonumber(ARGV[5])
if used_to > tonumber(redis.call('GET', KEYS[1]) or '0') then
  redis.call('SET', KEYS[1], used_to, 'PX', math.max(1, math.ceil(used_to - now)))
end
return wait
"""
)


def take(phone_number_id: str, recipient: str, *, in_chain: bool = False) -> None:
    """Count one message to this customer. Raises Retry with META_RATE_LIMIT and the seconds to wait; nothing is counted
    then. In an execution's chain the wait for one customer stands in the details alone: an executor leaves the whole
    number alone for as long as `retry_after` says.
    """
    (pair_cost, pair_ahead), (number_cost, number_ahead) = _pair(), _number()
    keys = [_key(phone_number_id, recipient), _key(phone_number_id)]
    waits = valkey_client.run(_TAKE, keys, [pair_cost, pair_ahead, number_cost, number_ahead])
    for reason, milliseconds in zip((PAIR, NUMBER), waits or (), strict=False):
        if milliseconds:
            seconds = milliseconds / 1000
            raise Retry(
                f"{_WORDS[reason]}: wait {seconds:.1f} s. Meta was not asked.",
                reason=reason,
                retry_after=None if in_chain and reason == PAIR else seconds,
                limit=reason,
                wait_seconds=seconds,
                entry=catalogue.META_RATE_LIMIT,
                meta=dict(NOTHING_SAID),
            )


def learn(error: ProviderError, phone_number_id: str, recipient: str) -> None:
    """Believe what Meta says of its limits: until they have passed, `take` refuses."""
    code = error.details.get("meta", {}).get("code")
    if code in _OF_PAIR:
        _pause(_key(phone_number_id, recipient), error.retry_after, _pair())
    elif code in _OF_NUMBER and error.retry_after:
        _pause(_key(phone_number_id), error.retry_after, _number())


def _pause(key: str, seconds: float | None, limit: tuple[float, float]) -> None:
    cost, ahead = limit
    wait = "" if seconds is None else int(seconds * 1000)
    valkey_client.run(_PAUSE, [key, f"{key}:refused"], [wait, _BASE, _LONGEST_SECONDS, ahead, cost])


def _pair() -> tuple[int, int]:
    """What one message costs, and how far ahead its limit may be used, in milliseconds."""
    cost = int(PAIR_SECONDS * 1000)
    return cost, cost * PAIR_BURST


def _number() -> tuple[float, float]:
    cost = 1000 / min(1000, max(1, settings.META_MESSAGES_PER_SECOND))
    return cost, max(1000, cost)


def _key(*parts: str) -> str:
    return ":".join(("hub:whatsapp:pace", *parts))
