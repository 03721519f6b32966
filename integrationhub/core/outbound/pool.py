"""Connections kept open between exchanges: urllib3's pools over what the dialler makes of an origin."""

import re
import time
from collections.abc import Callable
from functools import lru_cache, partial
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, Retry
from urllib3.connection import HTTPConnection
from urllib3.util.response import assert_header_parsing

from integrationhub.core.outbound.dialling import Dialler, Origin
from integrationhub.core.outbound.errors import AnswerLost
from integrationhub.core.outbound.exchange import BoundedSocket, current

# Of each client: origins that may have idle connections, and how many each of them.
MOST_ORIGINS, MOST_IDLE = 64, 64
# Shorter than what NAT gateways and load balancers forget silently.
IDLE_SECONDS = 30.0
NEVER_AGAIN = Retry(total=False)
_LENGTH = re.compile(r"[0-9]{1,18}")


class _StrictHead(HTTPResponse):
    """Refuses what `http.client` reads on after: an interim answer that it takes for the final one (103 Early Hints,
    101), a head that breaks off or has lines that are no headers, and two lengths of one body."""

    def begin(self) -> None:
        exchange = current()
        if not exchange.is_sent:
            raise exchange.failure()
        # Whatever became of the sending: a server may answer, say 413, and hang up before it has read the whole.
        exchange.lost = ""
        super().begin()
        if exchange.lost:
            raise exchange.failure()
        if self.status < 200 or not _has_one_length(self.msg):
            raise AnswerLost("unreadable_answer")
        if self.msg.defects:  # Most of them are about bodies of mail.
            assert_header_parsing(self.msg)


def _has_one_length(headers: Any) -> bool:
    lengths, codings = headers.get_all("content-length", []), headers.get_all("transfer-encoding", [])
    return (
        len(lengths) + len(codings) <= 1
        and all(_LENGTH.fullmatch(length.strip()) for length in lengths)
        and all(coding.strip().lower() == "chunked" for coding in codings)
    )


class _Connection(HTTPConnection):
    """Over plain TCP or over TLS, as the dialler made it."""

    response_class = _StrictHead
    sock: BoundedSocket | None

    def __init__(self, *args: Any, dial: Callable[[], BoundedSocket], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dial = dial

    def connect(self) -> None:
        self.sock = self._dial()

    @property
    def is_connected(self) -> bool:
        """Whether it may be used again: nothing came unasked, and nobody on the way can have forgotten it."""
        sock = self.sock
        if sock is None or sock.is_spent or time.monotonic() - sock.used_at > IDLE_SECONDS:
            return False
        return super().is_connected


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


def pools(dialler: Dialler) -> Callable[[Origin], HTTPConnectionPool]:
    """The pool of each origin; safe to share between threads. The origins that were not used for longest make room."""

    @lru_cache(maxsize=MOST_ORIGINS)
    def pool(origin: Origin) -> HTTPConnectionPool:
        dial = partial(_dial, dialler, origin)
        return _Pool(origin.host, origin.port, timeout=None, maxsize=MOST_IDLE, retries=NEVER_AGAIN, dial=dial)

    return pool


def _dial(dialler: Dialler, origin: Origin) -> BoundedSocket:
    return dialler.dial(origin, current().deadline)
