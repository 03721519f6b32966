"""Many writers, one commit: what comes while a commit is under way is written by the next one, all together.

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
    error: Exception | None = None
    # Taken until somebody calls: its order is over, or it is the one to lead.
    called: Any = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.called.acquire()


class GroupCommit:
    """`write_all` commits some orders or none; what it is given once more has to be the same row.

    Safe to share between threads; no thread of its own, none to lose.

    Whoever finds nobody leading leads: writes all that wait, and calls the next leader before those that it wrote for.
    Each is called by a lock of its own: were they to queue at one, the next commit could not begin before each of the
    last had woken up.
    """

    def __init__(self, write_all: Callable[[Sequence[Any]], None]) -> None:
        self._write_all = write_all
        self._waiting: list[_Waiting] = []
        self._is_led = False
        self._lock = Lock()

    def write(self, order: Any) -> None:
        """When this returns, the order is committed. Raises what `write_all` does, for this order's sake."""
        mine = _Waiting(order)
        with self._lock:
            self._waiting.append(mine)
            leads, self._is_led = not self._is_led, True
        if not leads:
            mine.called.acquire()
        if not mine.is_over:
            self._lead()
        if mine.error is not None:
            raise mine.error

    def _lead(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            self._commit(batch)
        except BaseException:
            # This thread is made to end, and no other; but none may take that for its commit.
            self._fail(batch, OperationalError("Who was about to write it was ended."))
            raise
        finally:
            with self._lock:
                following = self._waiting[:1]
                self._is_led = bool(following)
            for each in (*following, *batch):
                each.called.release()

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
