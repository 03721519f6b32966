"""A server on loopback that answers every request with bytes of one's choice, or not at all, and counts them."""

import socket
import struct
import threading
from contextlib import suppress
from typing import Any


class MisbehavingServer:
    """Sends `answer` and closes; None stays silent, `RESET` resets the connection."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.hits = 0
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "MisbehavingServer":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._respond, args=[connection], daemon=True).start()

    def _respond(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            _read_request(connection)
            self.hits += 1
            if self.answer is None:
                self._over.wait(30)
            elif self.answer == RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                connection.sendall(self.answer)


RESET = b"RESET"


def _read_request(connection: socket.socket) -> None:
    """All of it: what is left unread would turn the closing into a reset."""
    connection.settimeout(5)
    with connection.makefile("rb") as stream:
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        stream.read(length)


def answering(status: int, body: bytes = b"{}", length: int | None = None, **headers: str) -> bytes:
    """A whole HTTP/1.1 answer; `length` is what it says of its body, if that is to be wrong."""
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body) if length is None else length}"]
    lines += ["Connection: close", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
