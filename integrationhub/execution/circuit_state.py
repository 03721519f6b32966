"""The state of one circuit, and the two places that keep it: Redis for all processes, this process while it is away.

A circuit opens at five failures in a row, or when half of at least ten calls within thirty seconds failed. While it is
open one call each five seconds is let through to find out; the first that succeeds closes it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from integrationhub.core.valkey_client import Script

FAILURES_IN_A_ROW = 5
LEAST_CALLS = 10
WINDOW_SECONDS = 30
PROBE_SECONDS = 5
# Calls that repeat a call at the same provider: a fifth of its traffic, and three in any case.
LEAST_REPEATS = 3
REPEATS_SHARE = 0.2
FORGOTTEN_AFTER_SECONDS = 600

# The states that a recording tells of: open or left alone; closed, with failures in its window (1) or without any.
SHUT, CALM = 2, 0

# One value per circuit, packed: streak of failures, open or not, when the next probe is due, until when the provider
# wants to be left alone (both in milliseconds), and per second of the window its calls, failures and repeats.
_STATE = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function read(key)
  local raw = redis.call('GET', key)
  if raw then return cmsgpack.unpack(raw) end
  return {{streak = 0, open = false, probe = 0, cool = 0, window = {{}}}}
end
local function write(key, circuit)
  redis.call('SET', key, cmsgpack.pack(circuit), 'EX', {FORGOTTEN_AFTER_SECONDS})
end
local function second_of(circuit)
  local second, window = math.floor(now / 1000), {{}}
  for _, row in ipairs(circuit.window) do
    if row[1] > second - {WINDOW_SECONDS} then window[#window + 1] = row end
  end
  circuit.window = window
  if #window == 0 or window[#window][1] ~= second then window[#window + 1] = {{second, 0, 0, 0}} end
  return window[#window]
end
local function sum(circuit, column)
  local total = 0
  for _, row in ipairs(circuit.window) do total = total + row[column] end
  return total
end
"""

# KEYS: the circuits that a call has to pass. ARGV: '1' to take a due probe. Returns milliseconds to wait, and whether
# it is for a provider that asked to be left alone; 0 lets the call through; -1 says that it is a probe.
ADMIT = Script(
    _STATE
    + f"""
local circuits, probing = {{}}, false
for i, key in ipairs(KEYS) do
  local circuit = read(key)
  if circuit.cool > now then return {{circuit.cool - now, 1}} end
  if circuit.open then
    if circuit.probe > now then return {{circuit.probe - now, 0}} end
    probing = true
    circuits[key] = circuit
  end
end
if not probing then return {{0, 0}} end
if ARGV[1] == '1' then
  for key, circuit in pairs(circuits) do
    circuit.probe = now + {PROBE_SECONDS * 1000}
    write(key, circuit)
  end
end
return {{-1, 0}}
"""
)

# KEYS: the circuits. ARGV: for each of them 'ok', 'failed', 'alive' (an answer that counts for nothing, but proves that
# the provider is there) or 'none'; then for each the milliseconds to be left alone; then for each how many calls this
# one stands for (those before it succeeded).
# Returns for each: 1 opened, -1 closed, 0 unchanged; then for each the state that it is in now.
RECORD = Script(
    _STATE
    + f"""
local changes, states = {{}}, {{}}
local function close(circuit, i)
  if circuit.open then circuit.open, circuit.window, changes[i] = false, {{}}, -1 end
  circuit.streak = 0
end
for i, key in ipairs(KEYS) do
  local verdict, alone, count = ARGV[i], tonumber(ARGV[#KEYS + i]), tonumber(ARGV[2 * #KEYS + i])
  local circuit = read(key)
  changes[i] = 0
  if alone > 0 then circuit.cool = math.max(circuit.cool, now + alone) end
  if verdict == 'ok' or verdict == 'failed' then
    local row = second_of(circuit)
    row[2] = row[2] + count
    if verdict == 'ok' then
      close(circuit, i)
    else
      row[3] = row[3] + 1
      circuit.streak = count > 1 and 1 or circuit.streak + 1
      local calls, failures = sum(circuit, 2), sum(circuit, 3)
      local broken = circuit.streak >= {FAILURES_IN_A_ROW} or (calls >= {LEAST_CALLS} and failures * 2 >= calls)
      if circuit.open or broken then
        if not circuit.open then changes[i] = 1 end
        circuit.open, circuit.probe = true, now + {PROBE_SECONDS * 1000}
      end
    end
  elseif verdict == 'alive' and circuit.open then
    close(circuit, i)
  end
  if verdict ~= 'none' or alone > 0 then write(key, circuit) end
  local is_shut = circuit.open or circuit.cool > now
  states[i] = is_shut and {SHUT} or (circuit.streak > 0 or sum(circuit, 3) > 0) and 1 or 0
end
return {{changes, states}}
"""
)

# KEYS: the circuits. Lets the next call be the probe, since the one that took it was never made.
GIVE_BACK = Script(
    _STATE
    + """
for i, key in ipairs(KEYS) do
  local circuit = read(key)
  if circuit.open and circuit.probe > now then
    circuit.probe = now
    write(key, circuit)
  end
end
return 1
"""
)

# KEYS: the circuits. Returns for each what `ADMIT` would say of it alone; no probe is taken.
LOOK = Script(
    _STATE
    + """
local found = {}
for i, key in ipairs(KEYS) do
  local circuit = read(key)
  if circuit.cool > now then found[i] = {circuit.cool - now, 1}
  elseif not circuit.open then found[i] = {0, 0}
  elseif circuit.probe > now then found[i] = {circuit.probe - now, 0}
  else found[i] = {-1, 0} end
end
return found
"""
)

# KEYS: the circuits. Returns for each how many calls and failures its window holds.
CALLS = Script(
    _STATE
    + """
local found = {}
for i, key in ipairs(KEYS) do
  local circuit = read(key)
  second_of(circuit)
  found[i] = {sum(circuit, 2), sum(circuit, 3)}
end
return found
"""
)

# KEYS: a circuit. Returns 1 and counts it, when one more repeated call stays within the budget.
REPEAT = Script(
    _STATE
    + f"""
local circuit = read(KEYS[1])
local row = second_of(circuit)
if sum(circuit, 4) >= math.max({LEAST_REPEATS}, {REPEATS_SHARE} * sum(circuit, 2)) then return 0 end
row[4] = row[4] + 1
write(KEYS[1], circuit)
return 1
"""
)


@dataclass(slots=True)
class _Second:
    """What was counted in one second."""

    number: int
    calls: int = 0
    failures: int = 0
    repeats: int = 0


@dataclass(slots=True)
class _Circuit:
    streak: int = 0
    is_open: bool = False
    probe_at: float = 0.0
    left_alone_until: float = 0.0
    window: list[_Second] = field(default_factory=list)

    def second(self, now: float) -> _Second:
        """The row of this second, after those that have left the window are dropped."""
        number = int(now)
        self.window = [row for row in self.window if row.number > number - WINDOW_SECONDS]
        if not self.window or self.window[-1].number != number:
            self.window.append(_Second(number))
        return self.window[-1]

    def record(self, verdict: str, left_alone: float, count: int, now: float) -> int:
        if left_alone:
            self.left_alone_until = max(self.left_alone_until, now + left_alone)
        if verdict == "none" or (verdict == "alive" and not self.is_open):
            return 0
        if verdict == "alive":
            return self._close()
        self.second(now).calls += count
        return self._close() if verdict == "ok" else self._fail(now, count)

    def state(self, now: float) -> int:
        if self.is_open or self.left_alone_until > now:
            return SHUT
        return int(self.streak > 0 or any(row.failures for row in self.window))

    def _close(self) -> int:
        was_open, self.is_open, self.streak = self.is_open, False, 0
        if was_open:
            self.window = []
        return -1 if was_open else 0

    def _fail(self, now: float, count: int) -> int:
        was_open, self.streak = self.is_open, 1 if count > 1 else self.streak + 1
        self.second(now).failures += 1
        calls, failures = sum(row.calls for row in self.window), sum(row.failures for row in self.window)
        too_many = calls >= LEAST_CALLS and failures * 2 >= calls
        if was_open or too_many or self.streak >= FAILURES_IN_A_ROW:
            self.is_open, self.probe_at = True, now + PROBE_SECONDS
        return int(self.is_open and not was_open)

    def repeat(self, now: float) -> bool:
        second = self.second(now)
        calls, repeats = sum(row.calls for row in self.window), sum(row.repeats for row in self.window)
        if repeats >= max(LEAST_REPEATS, REPEATS_SHARE * calls):
            return False
        second.repeats += 1
        return True


class LocalCircuits:
    """What the scripts above do, in the memory of one process: by the same rules, with the same answers."""

    def __init__(self, most_keys: int = 10_000) -> None:
        self._most_keys = most_keys
        self._circuits: OrderedDict[str, _Circuit] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, keys: Sequence[str], *, take_probe: bool, now: float | None = None) -> tuple[int, int]:
        """As `ADMIT`; `now` is in monotonic seconds."""
        now = time.monotonic() if now is None else now
        with self._lock:
            circuits = [self._of(key) for key in keys]
            for circuit in circuits:
                if circuit.left_alone_until > now:
                    return round((circuit.left_alone_until - now) * 1000), 1
                if circuit.is_open and circuit.probe_at > now:
                    return round((circuit.probe_at - now) * 1000), 0
            probed = [circuit for circuit in circuits if circuit.is_open]
            for circuit in probed if take_probe else ():
                circuit.probe_at = now + PROBE_SECONDS
            return (-1 if probed else 0), 0

    def look(self, keys: Sequence[str]) -> list[tuple[int, int]]:
        """As `LOOK`."""
        return [self.admit([key], take_probe=False) for key in keys]

    def record(
        self,
        keys: Sequence[str],
        verdicts: Sequence[str],
        left_alone: Sequence[float],
        counts: Sequence[int],
        *,
        now: float | None = None,
    ) -> tuple[list[int], list[int]]:
        """As `RECORD`; `left_alone` is in seconds."""
        now = time.monotonic() if now is None else now
        with self._lock:
            circuits = [self._of(key) for key in keys]
            changes = [
                circuit.record(verdict, alone, count, now)
                for circuit, verdict, alone, count in zip(circuits, verdicts, left_alone, counts, strict=True)
            ]
            return changes, [circuit.state(now) for circuit in circuits]

    def calls(self, keys: Sequence[str], *, now: float | None = None) -> list[tuple[int, int]]:
        """As `CALLS`."""
        now = time.monotonic() if now is None else now
        with self._lock:
            windows = [[row for row in self._of(key).window if row.number > now - WINDOW_SECONDS] for key in keys]
        return [(sum(row.calls for row in window), sum(row.failures for row in window)) for window in windows]

    def give_back(self, keys: Sequence[str], *, now: float | None = None) -> None:
        """As `GIVE_BACK`."""
        now = time.monotonic() if now is None else now
        with self._lock:
            for circuit in map(self._of, keys):
                circuit.probe_at = min(circuit.probe_at, now)

    def repeat(self, key: str, *, now: float | None = None) -> bool:
        """As `REPEAT`."""
        now = time.monotonic() if now is None else now
        with self._lock:
            return self._of(key).repeat(now)

    def clear(self) -> None:
        with self._lock:
            self._circuits.clear()

    def _of(self, key: str) -> _Circuit:
        circuit = self._circuits.setdefault(key, _Circuit())
        self._circuits.move_to_end(key)
        while len(self._circuits) > self._most_keys:
            self._circuits.popitem(last=False)
        return circuit
