"""psycopg's pool, with a check of each borrowed connection that asks the kernel and not the server."""

import select
import time
from collections import deque
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool


class _Stack(deque[Any]):
    """Lends what was given back last: a backend of the server that has just worked finds its caches warm."""

    popleft = deque.pop


class LivePool(ConnectionPool[Connection[Any]]):
    """Lends connections that the server has not ended.

    psycopg's own `check` asks the server on every borrowing, and pauses for a second or more after the second
    connection that failed: a server that was restarted would cost the first borrowers their whole time-out.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pool = _Stack()

    def getconn(self, timeout: float | None = None) -> Connection[Any]:
        """Raises PoolTimeout when there is none within `timeout` seconds (the pool's own where it is None)."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            connection = super().getconn(max(0.0, deadline - time.monotonic()))
            if is_live(connection):
                return connection
            connection.close()
            self.putconn(connection)  # Which drops it, and opens another.


def is_live(connection: Connection[Any]) -> bool:
    """Whether the server has kept an idle connection open: it says nothing on one but its farewell.

    Also false for the rare one on which it announced a change of its settings; that one is only opened anew.
    """
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
