"""A raw TCP server on loopback that answers with the bytes a test hands it, slowly if asked."""

import socket
import threading
import time
from collections.abc import Sequence
from typing import Any


class RawServer:
    """Answers each request by `answers` in turn (the last one again and again): pieces of bytes, or seconds to wait.

    An empty answer hangs up. `requests` holds what was received.
    """

    def __init__(self, *answers: Sequence[bytes | float]) -> None:
        self._answers = answers
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        try:
            with client:
                while data := self._read(client):
                    self.requests.append(data)
                    answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
                    for piece in answer:
                        client.sendall(piece) if isinstance(piece, bytes) else time.sleep(piece)
                    if not answer:
                        return
        except OSError:
            return

    def _read(self, client: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := client.recv(65536)):
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += client.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self._listener.close()

    def __enter__(self) -> "RawServer":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def ok(body: bytes, headers: bytes = b"") -> list[bytes | float]:
    return [b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (headers, len(body), body)]
