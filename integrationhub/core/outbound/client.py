"""The HTTP client of the hub: a deadline over the whole exchange, a cap on every answer, no redirects, no cookies."""

import json as jsonlib
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

import structlog
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import messages
from integrationhub.core.outbound.dialling import Connect, Dialler, Resolve
from integrationhub.core.outbound.errors import AnswerLost, NotSent
from integrationhub.core.outbound.exchange import Exchange, exchanging
from integrationhub.core.outbound.pool import pools

MAX_ANSWER_BYTES = 1024 * 1024
_PIECE = 64 * 1024
Take = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. Redirects are answers too: none is followed.

    `lost` is the reason why `body` is not whole, where that was not asked for.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    lost: str = ""

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
        self.dialler = Dialler(is_guarded, resolve, connect, tls)
        self._pool = pools(self.dialler)

    def addresses(self, url: str, deadline: Deadline) -> list[str]:
        """The addresses at which a URL's host may be dialled, for a process of ours that dials by itself. Raises
        NotSent."""
        return self.dialler.addresses(messages.target(url).origin, deadline)

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
        into: Take | None = None,
        body_within: float | None = None,
    ) -> Answer:
        """Exchange one request for one answer before `deadline`. Raises NotSent or AnswerLost, nothing else.

        `data` is a mapping (sent as a form), bytes or text; `files` maps names to (file name, content, type), sent
        with `data` in multipart form, the content as bytes or, of one file, as an open file, which is sent as it is
        read; `auth` is user and password, sent as Basic. `into` is given the body of an answer of 200 piece by piece,
        which `Answer.body` then lacks; whoever gets an error instead has got a part of it. With `body_within` the head
        alone decides: its body is waited for so many seconds, and one that cannot be read is no error but `lost`.
        """
        where = messages.target(url)
        if not messages.METHOD.fullmatch(method):
            raise NotSent("invalid_request")
        try:
            path = messages.path(where, params)
            content_type, body = messages.body(json, data, files) or ("", None)
            asked = messages.headers(where, {**_own_headers(), **(headers or {})}, content_type, auth)
            asked |= messages.length(body)
        except (ValueError, TypeError, RecursionError):
            # The error of half a surrogate pair holds the whole text, which may be a secret.
            raise NotSent("invalid_request") from None
        if deadline.remaining() <= 0:
            raise NotSent("deadline_exceeded")
        with exchanging(deadline) as exchange:
            try:
                with self._send(where, method, path, body, asked) as response:
                    if body_within is not None:
                        exchange.deadline = deadline.within(body_within)
                        return _as_it_came(response, exchange, max_bytes)
                    if into and response.status == HTTPStatus.OK:
                        _pour(response, exchange, max_bytes, into)
                        return Answer(response.status, response.headers, b"")
                    most = min(max_bytes, MAX_ANSWER_BYTES) if into else max_bytes
                    return Answer(response.status, response.headers, _body(response, exchange, most))
            except (HTTPError, HTTPException, OSError, ValueError) as error:
                raise exchange.failure() from error

    def _send(
        self,
        where: messages.Target,
        method: str,
        path: str,
        body: bytes | messages.Form | None,
        headers: Mapping[str, str],
    ) -> BaseHTTPResponse:
        """The answer as far as its head. Left unread, it closes the connection."""
        return self._pool(where.origin).urlopen(
            method,
            path,
            body,
            headers,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )


def _as_it_came(response: BaseHTTPResponse, exchange: Exchange, max_bytes: int) -> Answer:
    """With the body as far as it came; with nothing of one that is compressed, or says that it is longer than it may
    be."""
    pieces: list[bytes] = []
    lost = ""
    try:
        _pour(response, exchange, max_bytes, pieces.append)
    except AnswerLost as error:
        lost = error.reason
    except (HTTPError, HTTPException, OSError, ValueError):
        lost = exchange.failure().reason
    return Answer(response.status, response.headers, b"".join(pieces), lost)


def _body(response: BaseHTTPResponse, exchange: Exchange, max_bytes: int) -> bytes:
    """All of it. Raises AnswerLost when it is compressed or longer than it may be."""
    pieces: list[bytes] = []
    _pour(response, exchange, max_bytes, pieces.append, at_once=max_bytes + 1)
    return b"".join(pieces)


def _pour(response: BaseHTTPResponse, exchange: Exchange, max_bytes: int, take: Take, at_once: int = _PIECE) -> None:
    """Hand over the whole body. Raises as `_body` does."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise AnswerLost("unreadable_answer")
    if (response.length_remaining or 0) > max_bytes:
        raise AnswerLost("answer_too_large")
    # What chunks add to what they hold is bounded too.
    exchange.allowance += 2 * max_bytes
    taken = 0
    while piece := response.read(at_once):
        taken += len(piece)
        if taken > max_bytes:
            raise AnswerLost("answer_too_large")
        take(piece)
    if response.length_remaining:
        raise AnswerLost("connection_lost")


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
