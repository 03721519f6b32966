"""Whether a provider may be called now: by its circuits, and by the pace that the tenant itself sets.

A pace is `max_per_second` of the tenant's route for an intent, counted for all processes. While Redis is away it holds
nothing back: a provider that is called too fast says so itself.
"""

from uuid import UUID

from integrationhub.core import valkey_client
from integrationhub.core.valkey_client import Script
from integrationhub.execution import circuits
from integrationhub.execution.circuits import Refusal
from integrationhub.execution.routing import Step

# The key holds when the pace is used up to, in milliseconds: a call moves it on by what it costs, and is made where
# that is not further ahead than what may be done at once: a second's calls, or one. What is refused is not counted.
# KEYS: the pace. ARGV: cost and most ahead. Returns the milliseconds to wait; 0: it may be made.
TAKE = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local used_to = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0')) + tonumber(ARGV[1])
local wait = math.ceil(math.max(0, used_to - now - tonumber(ARGV[2])))
if wait == 0 and ARGV[3] == '1' then redis.call('SET', KEYS[1], used_to, 'PX', math.ceil(used_to - now)) end
return wait
"""
)


def refusal(tenant_id: UUID, intent: str, step: Step, *, is_live: bool) -> Refusal | None:
    """Ask before a call; None lets it through, and counts it. Whom its circuits hold back uses up no pace, and what the
    pace holds back is no probe of them."""
    if is_live and (is_open := circuits.admit(tenant_id, step.provider_key)):
        return is_open
    too_fast = _too_fast(tenant_id, intent, step)
    if is_live and too_fast:
        circuits.give_back(tenant_id, step.provider_key)
    return too_fast


def look(tenant_id: UUID, intent: str, step: Step, *, is_live: bool) -> Refusal | None:
    """What `refusal` would say, for a plan: nothing is counted."""
    is_open = circuits.look(tenant_id, step.provider_key) if is_live else None
    return is_open or _too_fast(tenant_id, intent, step, is_counted=False)


def may_repeat(tenant_id: UUID, intent: str, step: Step, *, is_live: bool) -> bool:
    """Whether it may be called a second time for one execution."""
    if is_live and not circuits.may_repeat(step.provider_key):
        return False
    return _too_fast(tenant_id, intent, step) is None


def _too_fast(tenant_id: UUID, intent: str, step: Step, *, is_counted: bool = True) -> Refusal | None:
    if not step.max_per_second:
        return None
    cost, key = 1000 / step.max_per_second, f"hub:pace:{tenant_id}:{intent}:{step.provider_key}"
    wait_ms = valkey_client.run(TAKE, [key], [cost, max(1000, cost), int(is_counted)])
    return Refusal("throttled", wait_ms / 1000) if wait_ms else None
