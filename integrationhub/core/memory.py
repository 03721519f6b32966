"""A process's own short memory of values that may be a little old, or that are dear to make."""

import time
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class ShortMemory(Generic[K, V]):
    """Keeps each value for `seconds`, and at most `capacity` values: the one stored first makes room.

    Safe to share between threads. Nothing tells other processes of a change: the life of a value is the bound.
    """

    def __init__(self, *, seconds: float, capacity: int) -> None:
        self._seconds, self._capacity = seconds, capacity
        self._kept: dict[K, tuple[float, V]] = {}
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        kept = self._kept.get(key)
        return kept[1] if kept and kept[0] > time.monotonic() else None

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._kept.pop(key, None)
            while len(self._kept) >= self._capacity:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (time.monotonic() + self._seconds, value)

    def forget(self, key: K) -> None:
        with self._lock:
            self._kept.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
