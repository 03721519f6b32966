"""The load: so many keep-alive connections, each sending its next request once the last one is answered.

A connection is renewed now and then. The worker that accepts it keeps it to its end, and which one that is chance
decides: sixteen connections that lasted all through a run have been seen to belong to one worker, beside an idle one.

One thread and `epoll`, as cheap as Python has it, since the load shares the machine with what it measures.
"""

import gc
import select
import socket
import time
from dataclasses import dataclass

TIMEOUT_SECONDS = 20.0
REQUESTS_PER_CONNECTION = 25


class WrongAnswer(Exception):
    """A contender answered something else than the work it was asked to do."""


@dataclass(frozen=True)
class Target:
    """Where to send which bytes. `proof` stands in the body of a right answer."""

    port: int
    request: bytes
    proof: bytes


@dataclass(frozen=True)
class Answers:
    """What came back: `latencies` in seconds, sorted; `seconds` from the first request to the last answer."""

    latencies: list[float]
    seconds: float

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency in milliseconds that `share` of the answers did not exceed."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))] * 1000


class _Client:
    """One caller, with one request under way."""

    def __init__(self, target: Target, epoll: select.epoll, number: int) -> None:
        self.target, self.epoll = target, epoll
        self.sent_at = 0.0
        self.received = b""
        # Not all at once, and the first of them soon.
        self.connect(1 + number % REQUESTS_PER_CONNECTION)

    def connect(self, requests: int = REQUESTS_PER_CONNECTION) -> None:
        self.left = requests
        self.socket = socket.create_connection(("127.0.0.1", self.target.port), timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.epoll.register(self.socket, select.EPOLLIN)

    def close(self) -> None:
        self.epoll.unregister(self.socket)
        self.socket.close()

    def send(self) -> None:
        self.left -= 1
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.target.request)

    def is_answered(self) -> bool:
        """Read what is there; whether that ends the answer. Raises WrongAnswer unless it is the right one."""
        data = self.socket.recv(65536)
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if data and (not end or len(body) < length_of(head)):
            return False
        if not head.startswith(b"HTTP/1.1 200") or self.target.proof not in body:
            raise WrongAnswer(self.received.decode(errors="replace") or "the connection was closed without an answer")
        return True


def drive(target: Target, clients: int, seconds: float) -> Answers:
    """Send for so long; what is under way then is waited for, so that every request that was sent is answered.

    Raises WrongAnswer.
    """
    # A collection in between would be counted as somebody's latency.
    gc.collect()
    gc.disable()
    epoll = select.epoll()
    callers = [_Client(target, epoll, number) for number in range(clients)]
    try:
        return _loop(epoll, {caller.socket.fileno(): caller for caller in callers}, seconds)
    finally:
        for caller in callers:
            caller.socket.close()
        epoll.close()
        gc.enable()


def _loop(epoll: select.epoll, callers: dict[int, _Client], seconds: float) -> Answers:
    latencies: list[float] = []
    began = time.perf_counter()
    for caller in callers.values():
        caller.send()
    while callers:
        ready = epoll.poll(TIMEOUT_SECONDS)
        if not ready:
            raise WrongAnswer(f"{len(callers)} requests were not answered within {TIMEOUT_SECONDS:.0f} s")
        for number, _ in ready:
            caller = callers[number]
            if not caller.is_answered():
                continue
            now = time.perf_counter()
            latencies.append(now - caller.sent_at)
            if now - began > seconds:
                callers.pop(number).close()
            else:
                _go_on(callers, number)
    return Answers(sorted(latencies), now - began)


def _go_on(callers: dict[int, _Client], number: int) -> None:
    """Send the caller's next request, over a new connection where the old one has served its time."""
    caller = callers[number]
    if not caller.left:
        callers.pop(number).close()
        caller.connect()
        callers[caller.socket.fileno()] = caller
    caller.send()


def length_of(head: bytes) -> int:
    """The `Content-Length` of a response's head. Raises WrongAnswer where it has none: nothing here reads chunks."""
    _, name, rest = head.lower().partition(b"\r\ncontent-length:")
    if not name:
        raise WrongAnswer(f"an answer without Content-Length: {head.decode(errors='replace')}")
    return int(rest.partition(b"\r\n")[0])


def post(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """The bytes of a request."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in {"Content-Type": "application/json", **headers}.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
