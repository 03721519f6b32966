"""gunicorn's threaded worker, which answers unreadable requests in the hub's envelope and lets no slow one stay.

Executions of a tenant over its share of the threads wait without one: decisions/0013.
"""

import logging
import select
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest
from gunicorn import util
from gunicorn.glogging import Logger
from gunicorn.http import errors as http_errors
from gunicorn.workers.gthread import ThreadWorker

from integrationhub.core.errors import HubError, InvalidRequest, Unexpected
from integrationhub.core.exception_handler import respond
from integrationhub.core.fair_share import FairShare

logger = logging.getLogger(__name__)

# From the first byte to the last one of the headers; between two reads of a body; and for all of a body.
HEADERS_SECONDS = 10.0
BODY_READ_SECONDS = 5
BODY_SECONDS = 120.0
# Beyond those that execute: they read heads and answer what is quick while all of the others wait for providers.
SPARE_THREADS = 2
# A test calls out too, and the tenant whose address it calls says how long that takes.
EXECUTES = ("/execute", "/execute/batch", "/retry", "/test")
# So does the check of a credential, of which some name a server of the tenant's own.
CHECKS = "/credentials/"
CARRIES_FILES = "/storage/ipfs"
# What handling a connection ends with when its request waits for a slot: whoever resumes it goes on.
PARKED = object()
# Says that the other end sends no more, though what it sent may be unread; only Linux has it (poll(2)).
HUNG_UP = getattr(select, "POLLRDHUP", select.POLLHUP)

# The first class that fits decides. The texts are ours: gunicorn's own repeat what the caller sent.
_REFUSALS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (http_errors.LimitRequestLine, 414, "url_too_long", "The request line is too long."),
    (http_errors.LimitRequestHeaders, 431, "headers_too_large", "The request's headers are too many or too large."),
    (http_errors.ExpectationFailed, 400, "unsupported_expectation", "The Expect header asks for what is not offered."),
    (http_errors.UnsupportedTransferCoding, 400, "unsupported_coding", "The Transfer-Encoding is not supported."),
    (http_errors.InvalidRequestMethod, 400, "malformed_method", "The request's method is not a token of HTTP."),
    (http_errors.InvalidHTTPVersion, 400, "unsupported_http_version", "The HTTP version is not supported."),
    (http_errors.InvalidRequestLine, 400, "malformed_request_line", "The request line is not HTTP."),
    (http_errors.InvalidHeader, 400, "malformed_header", "A header of the request is malformed."),
    (http_errors.InvalidHeaderName, 400, "malformed_header", "A header of the request has a malformed name."),
    (http_errors.InvalidChunkSize, 400, "malformed_chunk", "A chunk of the request body is malformed."),
    (http_errors.ChunkMissingTerminator, 400, "malformed_chunk", "A chunk of the request body is malformed."),
    (http_errors.ParseException, 400, "malformed_request", "The request is not HTTP as this server reads it."),
)


class HubLogger(Logger):
    """`logger_class = "integrationhub.server.HubLogger"`."""

    def access(self, *_: Any) -> None:
        """The middleware writes the access line. gunicorn's own, which nobody reads, costs as much to put together."""


class HubWorker(ThreadWorker):
    """`worker_class = "integrationhub.server.HubWorker"`."""

    wsgi: Callable[..., Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # connection -> when a thread began to read its headers, and to serve its request
        self._reading: dict[Any, float] = {}
        self._serving: dict[Any, float] = {}
        self._slots: FairShare[tuple[Any, Any]] = FairShare(self.cfg.threads)
        # connection -> the tenant in whose slot its parked request is about to go on
        self._resumed: dict[Any, str] = {}
        self._parking_ends: float | None = None

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.wsgi = closing_after_413(self.wsgi)

    def get_thread_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=self.cfg.threads + SPARE_THREADS)

    def enqueue_req(self, conn: Any) -> None:
        self.tpool.submit(self.handle, conn).add_done_callback(partial(self._handled, conn))

    def _handled(self, conn: Any, handled: "Future[Any]") -> None:
        """As gunicorn does it, unless the request is parked: then nobody closes or polls the connection."""
        if handled.cancelled() or handled.exception() or handled.result() is not PARKED:
            self.method_queue.defer(self.finish_request, conn, handled)

    def handle(self, conn: Any) -> Any:
        limit_reads(conn.sock, 0)
        self._reading[conn] = time.monotonic()
        outcome = None
        try:
            outcome = super().handle(conn)
            return outcome
        finally:
            if outcome is not PARKED:  # Else another thread may have it by now.
                self._reading.pop(conn, None)
                self._serving.pop(conn, None)
                if (tenant := self._resumed.pop(conn, None)) is not None:
                    self._leave(tenant)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve the request, or park it. A slot is held no longer than that: not while an unread body is drained."""
        self._reading.pop(conn, None)
        if (tenant := executing_tenant(req)) is None:
            return self._serve(req, conn)
        resumed = self._resumed.pop(conn, None) is not None
        if not resumed and not self._slots.enter(tenant, (conn, req)):
            return PARKED
        try:
            return False if resumed and has_hung_up(conn.sock) else self._serve(req, conn)
        finally:
            self._leave(tenant)

    def _serve(self, req: Any, conn: Any) -> Any:
        self._serving[conn] = time.monotonic()
        limit_reads(conn.sock, BODY_READ_SECONDS)
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: Any, keepalive: Any) -> Any:
        return PARKED if keepalive is PARKED else super()._keepalive_after(conn, keepalive)

    def _leave(self, tenant: str) -> None:
        """Give a slot back, and let those go on that may have it."""
        for other, (conn, req) in self._slots.leave(tenant):
            self._resumed[conn] = other
            conn.parser = Reread(conn, req)
            try:
                self.enqueue_req(conn)
            except RuntimeError:  # The worker's grace is over, and its pool takes nothing more.
                conn.close()

    def _give_up_parked(self) -> None:
        """A worker that stops lets parked requests go on for half of its grace: what begins later would not end."""
        now = time.monotonic()
        if self._parking_ends is None:
            self._parking_ends = now + self.cfg.graceful_timeout / 2
        if now < self._parking_ends:
            return
        if parked := self._slots.give_up():
            logger.info("parked_requests_given_up", extra={"count": len(parked)})
        for conn, _ in parked:
            self.nr_conns -= 1
            conn.close()

    def murder_pending(self) -> None:
        """Each second: who sends headers too slowly loses the connection, which frees its thread."""
        super().murder_pending()
        for conn in overdue(self._reading, HEADERS_SECONDS):
            shut_down(conn.sock, socket.SHUT_RDWR)
        # Only the reading ends: an answer that takes long to make is still written.
        for conn in overdue(self._serving, BODY_SECONDS):
            shut_down(conn.sock, socket.SHUT_RD)
        if not self.alive:
            self._give_up_parked()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer by our envelope where gunicorn would by a page of HTML; the connection closes after it."""
        error = refusal(exc)
        if isinstance(error, Unexpected):
            logger.error("unexpected_error", exc_info=exc)
        else:
            logger.info("request_unreadable", extra={"reason": error.details["reason"], "status": error.status})
        try:
            util.write_nonblock(client, raw_answer(error, getattr(req or getattr(exc, "req", None), "uri", "")))
        except OSError:
            logger.debug("answer_not_written")


class Reread:
    """Stands in for the parser of a connection that was parked: gives the request read before, and its place back."""

    def __init__(self, conn: Any, req: Any) -> None:
        self._conn, self._parser, self._req = conn, conn.parser, req

    def __next__(self) -> Any:
        self._conn.parser = self._parser
        return self._req


def executing_tenant(req: Any) -> str | None:
    """In whose name something is asked for that waits for a third party; None for any other request.

    The token is not looked at yet. Whoever names a tenant that is not its own is refused before its body is read, and
    has left the slot within milliseconds; one UUID in either case is one tenant, as it is behind the door.
    """
    path = unquote(req.path)
    calls_out = req.method == "POST" and (path.endswith(EXECUTES) or CHECKS in path)
    if not calls_out and CARRIES_FILES not in path:
        return None
    return next((value.lower() for name, value in req.headers if name == "X-TENANT-ID"), None)


def has_hung_up(sock: socket.socket) -> bool:
    """Whether the client has closed its end, though bytes that it sent before may still be unread."""
    poller = select.poll()
    poller.register(sock, HUNG_UP)
    return bool(poller.poll(0))


def closing_after_413(application: Callable[..., Any]) -> Callable[..., Any]:
    """Announce and do close the connection whose body was refused, instead of reading the rest of it for nothing."""

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if status.startswith("413"):
                start_response.__self__.force_close()
            return start_response(status, headers, exc_info)

        return application(environ, start)

    return serve


def limit_reads(sock: socket.socket, seconds: int) -> None:
    """Bound each read, by the kernel: Python's own time-out would bound the writing of a long answer too. 0: never."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", seconds, 0))
    except OSError:
        logger.debug("connection_already_gone")


def overdue(since: dict[Any, float], seconds: float) -> list[Any]:
    """Take out and return the connections that have been in `since` for longer than `seconds`."""
    now = time.monotonic()
    late = [conn for conn, began in list(since.items()) if now - began > seconds]
    for conn in late:
        since.pop(conn, None)
    return late


def shut_down(sock: socket.socket, how: int) -> None:
    """End reading, or both directions, which wakes the thread that reads."""
    try:
        sock.shutdown(how)
    except OSError:
        logger.debug("connection_already_gone")


def refusal(exc: Exception) -> HubError:
    for kind, status, reason, message in _REFUSALS:
        if isinstance(exc, kind):
            return InvalidRequest(message, status=status, reason=reason)
    return Unexpected()


def raw_answer(error: HubError, uri: str | None) -> bytes:
    """The whole HTTP/1.1 response, for a request that never became one of Django's."""
    request = HttpRequest()
    request.path = unquote((uri or "").partition("?")[0])
    response = respond(error, request)
    response["x-request-id"] = request.request_id  # type: ignore[attr-defined]
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    response["Content-Length"] = str(len(response.content))
    response["Connection"] = "close"
    status = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n".encode()
    return status + response.serialize_headers() + b"\r\n\r\n" + response.content
