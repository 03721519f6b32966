"""The HTTP client of the hub: a deadline over the whole exchange, a cap on every answer, no redirects, no cookies."""

import json as jsonlib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import structlog

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import messages
from integrationhub.core.outbound.dialling import Connect, Dialler, Resolve
from integrationhub.core.outbound.errors import AnswerLost, NotSent, OutboundError
from integrationhub.core.outbound.pool import Pool
from integrationhub.core.outbound.wire import Exchange

MAX_ANSWER_BYTES = 1024 * 1024


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
    """One pool of connections for this process; safe to share between threads. It opens nothing before it is asked.

    It knows no proxies or netrc of the environment, keeps no cookies, follows no redirects, takes no compressed bodies
    and never sends anything twice. Unless `is_guarded` is false it dials public addresses alone, by https, and what
    `OUTBOUND_ALLOWED_NETWORKS` opens. `resolve`, `connect` and `tls` are for those who stand in for the network.
    """

    def __init__(
        self,
        *,
        is_guarded: bool = True,
        resolve: Resolve | None = None,
        connect: Connect = socket.create_connection,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._pool = Pool()
        self._dialler = Dialler(is_guarded, resolve, connect, tls)

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
        auth: tuple[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Exchange one request for one answer before `deadline`. Raises NotSent or AnswerLost, nothing else.

        `data` is a mapping (sent as a form), bytes or text; `files` as `requests` takes them; `auth` is user and
        password, sent as Basic.
        """
        where = messages.target(url)
        request = messages.request(
            method,
            where,
            {**_own_headers(), **(headers or {})},
            params=params,
            auth=auth,
            body=messages.body(json, data, files),
        )
        if deadline.remaining() <= 0:
            raise NotSent("deadline_exceeded")
        sock = self._pool.take(where.origin) or self._dialler.dial(where.origin, deadline)
        exchange = Exchange(sock, deadline)
        try:
            head, body = exchange.run(method, request, max_bytes)
        except OSError as error:
            raise _failure(error, exchange.is_sent) from error
        finally:
            if exchange.is_reusable:
                self._pool.put(where.origin, sock)
            else:
                sock.close()
        return Answer(head.status, head.headers, body)


def _failure(error: OSError, is_sent: bool) -> OutboundError:
    is_late = isinstance(error, TimeoutError)
    if is_sent:
        return AnswerLost("read_timeout" if is_late else "connection_lost")
    return NotSent("connect_timeout" if is_late else "not_connected")


def _own_headers() -> dict[str, str]:
    own = {"Accept-Encoding": "identity", "User-Agent": "integration-hub"}
    if request_id := structlog.contextvars.get_contextvars().get("request_id"):
        own["x-request-id"] = str(request_id)
    return own


@cache
def deployment_client() -> Client:
    """The client for endpoints that the deployment's own settings name (key sets, vaults, object stores): the same
    limits, but any address, and plain http too."""
    return Client(is_guarded=False)
