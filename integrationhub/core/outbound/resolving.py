"""Names to addresses within a time limit, which `getaddrinfo` knows nothing of."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Any

MOST_LOOK_UPS = 32


class Resolver:
    """Looks names up in threads, one for each name however many ask for it, and at most `most` at once.

    The threads are daemons: a name server that hangs keeps neither a caller waiting nor the process from ending.
    """

    def __init__(self, look_up: Callable[..., Any] = socket.getaddrinfo, most: int = MOST_LOOK_UPS) -> None:
        self._getaddrinfo, self._most = look_up, most
        self._pending: dict[str, Future[list[str]]] = {}
        self._lock = threading.Lock()

    def __call__(self, host: str, seconds: float) -> list[str]:
        """Every address of the host, in the order to try them. Raises TimeoutError, or OSError for an unknown name."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            return list(self._asked(host).result(timeout=seconds))

    def _asked(self, host: str) -> Future[list[str]]:
        with self._lock:
            if pending := self._pending.get(host):
                return pending
            if len(self._pending) >= self._most:
                raise TimeoutError("Every look-up hangs.")
            answer: Future[list[str]] = Future()
            _start(self._look_up, host, answer)
            self._pending[host] = answer
            return answer

    def _look_up(self, host: str, answer: Future[list[str]]) -> None:
        found: list[str] = []
        failed: Exception | None = None
        try:
            rows = self._getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(row[4][0] for row in rows))
        except (OSError, ValueError) as error:
            failed = error
        # Before anyone hears of the answer, so that whoever asks after that asks anew.
        with self._lock:
            del self._pending[host]
        if failed:
            answer.set_exception(failed)
        else:
            answer.set_result(found)


def _start(look_up: Callable[..., None], *args: Any) -> None:
    """In a thread. Raises OSError when the process may have no more of them."""
    try:
        threading.Thread(target=look_up, args=args, name="resolve", daemon=True).start()
    except RuntimeError as error:
        raise OSError("No thread can be started.") from error
