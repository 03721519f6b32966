"""Many writers, one commit: who waits for the writer before it is written by the next one, together with all others.

A commit costs a write to the disk and a trip to the server, and costs the same for one row as for ten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from django.db import DatabaseError, OperationalError

MOST = 64


@dataclass(eq=False, slots=True)
class _Waiting:
    order: Any
    is_over: bool = False
    error: Exception | None = field(default=None)


class GroupCommit:
    """`write_all` commits some orders or none. Safe to share between threads; no thread of its own, none to lose."""

    def __init__(self, write_all: Callable[[Sequence[Any]], None]) -> None:
        self._write_all = write_all
        self._waiting: list[_Waiting] = []
        self._lock, self._turn = Lock(), Lock()

    def write(self, order: Any) -> None:
        """When this returns, the order is committed. Raises what `write_all` does, for this order's sake."""
        mine = _Waiting(order)
        with self._lock:
            self._waiting.append(mine)
        with self._turn:
            while not mine.is_over:
                with self._lock:
                    batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                self._commit(batch)
        if mine.error is not None:
            raise mine.error

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        try:
            self._write_all([each.order for each in batch])
        except DatabaseError as error:
            # One order that cannot be stored keeps no other from it; a server that is away is asked once.
            if len(batch) == 1 or isinstance(error, OperationalError):
                self._fail(batch, error)
                return
            for each in batch:
                self._commit([each])
        except Exception as error:  # noqa: BLE001  Whoever waits must hear of it, whatever it is.
            self._fail(batch, error)
        for each in batch:
            each.is_over = True

    def _fail(self, batch: Sequence[_Waiting], error: Exception) -> None:
        for each in batch:
            each.error, each.is_over = error, True
