"""The one way out of the hub: an HTTP client with a deadline over the whole exchange and a cap on every body."""

import io
import json as jsonlib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from socket import socket
from typing import Any, Literal

import requests
import structlog
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from integrationhub.core.deadline import Deadline

CONNECT_SECONDS = 2.0
MAX_ANSWER_BYTES = 1024 * 1024
_CHUNK = 64 * 1024


@dataclass(slots=True)
class _Exchange:
    """The one that this thread is in: until a byte was written to a connection, nothing was sent."""

    deadline: Deadline
    is_sent: bool = False


_current: ContextVar[_Exchange] = ContextVar("outbound_exchange")


class OutboundError(Exception):
    """An exchange that brought no answer. `reason` is a lower_snake word; no address or secret is in the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(OutboundError):
    """The request certainly did not reach the other side: `dns`, `refused`, `connect_timeout`, `tls`, `invalid_url`."""


class AnswerLost(OutboundError):
    """It may have arrived: `read_timeout`, `connection_lost`, `answer_too_large`, `unreadable_answer`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. Redirects are answers too: none is followed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON. Raises AnswerLost (`unreadable_answer`) for anything else, NaN included."""
        try:
            return jsonlib.loads(self.body.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise AnswerLost("unreadable_answer") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


class Client:
    """One pool of connections for this process; safe to share between threads.

    It knows no proxies or netrc of the environment, keeps no cookies, follows no redirects and takes no compressed
    bodies. Subclasses choose how connections are made (`connections`).
    """

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self.connections())

    def connections(self) -> HTTPAdapter:
        return _TimedAdapter(pool_connections=32, pool_maxsize=32, max_retries=0)

    def request(
        self,
        method: str,
        url: str,
        *,
        deadline: Deadline,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Any = None,
        files: Any = None,
        params: Mapping[str, Any] | None = None,
        auth: Any = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Exchange one request for one answer before `deadline`. Raises NotSent or AnswerLost, nothing else."""
        if deadline.remaining() <= 0:
            raise NotSent("deadline_exceeded")
        exchange = _Exchange(deadline)
        context = _current.set(exchange)
        try:
            with self._session.request(
                method,
                url,
                headers={**_own_headers(), **(headers or {})},
                json=json,
                data=data,
                files=files,
                params=params,
                auth=auth,
                stream=True,
                allow_redirects=False,
                timeout=(max(0.001, min(CONNECT_SECONDS, deadline.remaining())), max(0.001, deadline.remaining())),
            ) as response:
                return Answer(response.status_code, CaseInsensitiveDict(response.headers), _body(response, max_bytes))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise (_lost(error) if exchange.is_sent else _not_sent(error)) from error
        finally:
            _current.reset(context)


def _own_headers() -> dict[str, str]:
    own = {"Accept-Encoding": "identity", "User-Agent": "integration-hub"}
    if request_id := structlog.contextvars.get_contextvars().get("request_id"):
        own["x-request-id"] = str(request_id)
    return own


def _body(response: requests.Response, max_bytes: int) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise AnswerLost("unreadable_answer")
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        body += chunk
        if len(body) > max_bytes:
            raise AnswerLost("answer_too_large")
    return bytes(body)


def _not_sent(error: Exception) -> NotSent:
    cause = _cause(error)
    if isinstance(error, requests.exceptions.SSLError):
        return NotSent("tls")
    if isinstance(error, (requests.Timeout, TimeoutError)):
        return NotSent("connect_timeout")
    if isinstance(cause, NameResolutionError):
        return NotSent("dns")
    if isinstance(cause, NewConnectionError):
        return NotSent("refused")
    return NotSent("invalid_url" if isinstance(error, ValueError) else "not_connected")


def _lost(error: Exception) -> AnswerLost:
    is_late = isinstance(error, (requests.Timeout, TimeoutError)) or "timed out" in str(_cause(error)).lower()
    return AnswerLost("read_timeout" if is_late else "connection_lost")


def _cause(error: Exception) -> Any:
    """What urllib3 says inside the exception of requests."""
    inner = error.args[0] if error.args else error
    return getattr(inner, "reason", None) or inner


@cache
def deployment_client() -> Client:
    """The client for endpoints that the deployment's own settings name (key sets, vaults, object stores)."""
    return Client()


# A time-out of requests bounds each read, not the exchange: a byte a second would keep it open for ever. So every read
# from the socket, of the headers too, waits for what is left of the deadline.


class _TimedReads(io.RawIOBase):
    def __init__(self, raw: Any, sock: socket) -> None:
        self._raw, self._sock = raw, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = _current.get().deadline.remaining()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """Stands for the socket where the standard library's response asks it for a file."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock

    def makefile(self, mode: Literal["rb"]) -> io.BufferedReader:
        return io.BufferedReader(_TimedReads(self._sock.makefile(mode, buffering=0), self._sock))


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(_TimedSocket(sock), *args, **kwargs)  # type: ignore[arg-type]


class _TimedConnection(HTTPConnection):
    response_class = _TimedResponse

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _current.get().is_sent = True
        super().send(data)


class _TimedTLSConnection(_TimedConnection, HTTPSConnection):
    pass


class _TimedPool(HTTPConnectionPool):
    ConnectionCls = _TimedConnection


class _TimedTLSPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTLSConnection


class _TimedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _TimedPool, "https": _TimedTLSPool}
