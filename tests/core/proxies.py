"""A TCP proxy that stands before a server and misbehaves on demand."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from integrationhub.core import valkey_client


class Proxy:
    """Modes: `pass`, `hang` (takes connections and bytes, says nothing), `close` (hangs up at once)."""

    def __init__(self, target: tuple[str, int], mode: str = "pass") -> None:
        self.target, self.mode = target, mode
        self.is_deaf = False  # What the server says is lost, and what it is told is not.
        self.delay_seconds = 0.0  # Of each part of an answer.
        self.unanswered = 0  # What it took while it hung, and whom it hung up on.
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            if self.mode == "close":
                self.unanswered += 1
                client.close()
                continue
            server = socket.create_connection(self.target)
            self._open.append(server)
            for pair in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65536):
                self.unanswered += self.mode == "hang"
                time.sleep(self.delay_seconds if is_answer else 0)
                if self.mode == "pass" and not (is_answer and self.is_deaf):
                    sink.sendall(data)
        except OSError:
            return

    def drop(self) -> None:
        """End the connections there are, as a server does that is restarted."""
        for connection in self._open[1:]:
            with suppress(OSError):  # It ended by itself.
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for opened in self._open:
            opened.close()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


REDIS_SECONDS = 0.1  # As in production.


def wait_for_redis(settings: Any, seconds: float = 10.0) -> None:
    """From the next connection on: where an answer is wanted, a proxy in the tests' own process may take a while."""
    settings.REDIS_TIMEOUT_SECONDS = seconds
    valkey_client._parameters.cache_clear()


@contextmanager
def redis_behind_a_proxy(settings: Any) -> Iterator[Proxy]:
    """The run's own Redis, reached through a proxy that a test may hang, refuse or cut off."""
    settings.REDIS_TIMEOUT_SECONDS = REDIS_SECONDS
    real = urlsplit(settings.REDIS_URL)
    login = real.netloc.rpartition("@")[0]
    with Proxy((real.hostname or "", real.port or 6379)) as proxy:
        host = f"127.0.0.1:{proxy.port}"
        settings.REDIS_URL = real._replace(netloc=f"{login}@{host}" if login else host).geturl()
        valkey_client.forget()
        yield proxy
    valkey_client.forget()
