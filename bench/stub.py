"""The provider of the benchmark: `python -m bench.stub PORT`, Twilio and Vonage in one process that costs little CPU.

It answers after a millisecond what those two would, and counts what it was asked. `GET /counts` tells the counts by
path. What the account of a Twilio path is called decides its answer: 503 for `REFUSED_ACCOUNT`, else 201.
"""

import asyncio
import json
import sys
from collections import Counter

ACCOUNT = "AC" + "1" * 32
REFUSED_ACCOUNT = "AC" + "5" * 32
VONAGE_PATH = "/sms/json"
ANSWER_SECONDS = 0.001

_TWILIO = {"sid": "SM" + "0" * 32, "status": "queued", "to": "+14155552671", "error_code": None, "num_segments": "1"}
_TWILIO_BUSY = {"code": 20503, "message": "Service Unavailable", "more_info": "", "status": 503}
_VONAGE = {
    "message-count": "1",
    "messages": [{"to": "14155552671", "message-id": "0A0000000123ABCD1", "status": "0", "message-price": "0.03"}],
}


def twilio_path(account: str) -> str:
    return f"/2010-04-01/Accounts/{account}/Messages.json"


def answer(status: str, body: object) -> bytes:
    """The whole HTTP/1.1 response."""
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


ANSWERS = {
    twilio_path(ACCOUNT): answer("201 Created", _TWILIO),
    twilio_path(REFUSED_ACCOUNT): answer("503 Service Unavailable", _TWILIO_BUSY),
    VONAGE_PATH: answer("200 OK", _VONAGE),
}


class Stub(asyncio.Protocol):
    """One keep-alive connection. Just enough HTTP for clients that send a `Content-Length`."""

    counts: Counter[str] = Counter()
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - told to mypy; a stream's always is.
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end or len(body) < length_of(head):
            return
        self.received = b""
        self.answer(head.split(b" ", 2)[1].decode())

    def answer(self, path: str) -> None:
        if path == "/counts":
            self.transport.write(answer("200 OK", self.counts))
            return
        self.counts[path] += 1
        known = ANSWERS.get(path) or answer("404 Not Found", {"path": path})
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, self.transport.write, known)


def length_of(head: bytes) -> int:
    """The `Content-Length` of a request's head; 0 where it has none."""
    _, name, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if name else 0


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
