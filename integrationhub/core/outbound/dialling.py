"""Connections to hosts: looked up once, every address judged, and dialled at exactly the addresses that were judged.

So a name that answers with a public address first and another one later wins nothing. TLS and the Host header go by
the name in the URL.
"""

import logging
import socket
import ssl
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, cast

import certifi
from django.conf import settings

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import addresses
from integrationhub.core.outbound.errors import AddressBlocked, NotSent
from integrationhub.core.outbound.exchange import BoundedSocket, BoundedTLSSocket
from integrationhub.core.outbound.resolving import Resolver

logger = logging.getLogger(__name__)

RESOLVE_SECONDS = CONNECT_SECONDS = 2.0
MOST_ADDRESSES = 4
# Elsewhere than in an opened network. Other services listen on other ports, and what we would say to them is not HTTP
# or SMTP to them: a list of ports to refuse is never complete.
PUBLIC_PORTS = (443, 8443)
MAIL_PORTS = (25, 465, 587, 2465, 2525, 2587)

Resolve = Callable[[str, float], list[str]]
Connect = Callable[[tuple[str, int], float], socket.socket]


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class Dialler:
    """Makes connections; a guarded one only to public addresses by https or for mail, and to what the settings open."""

    def __init__(
        self,
        is_guarded: bool,
        resolve: Resolve | None = None,
        connect: Connect = socket.create_connection,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._is_guarded, self._connect, self._tls = is_guarded, connect, tls
        if tls:
            tls.sslsocket_class = BoundedTLSSocket
        self._resolve = resolve or Resolver()

    def dial(self, origin: Origin, deadline: Deadline) -> BoundedSocket:
        """A connection that is ready for the request. Raises NotSent, whatever went wrong."""
        sock, deadline = self.reach(origin, deadline)
        if origin.scheme == "https":
            return self.secure(sock, origin.host.rstrip("."), deadline, ("http/1.1",))
        return BoundedSocket.taking_over(sock)

    def reach(self, origin: Origin, deadline: Deadline) -> tuple[socket.socket, Deadline]:
        """A bare connection to an address that was judged, and what is left of the time to make one. Raises NotSent."""
        found = self.addresses(origin, deadline)
        # One limit for all addresses and the handshake; a Deadline, since a handshake can be dripped.
        deadline = deadline.within(CONNECT_SECONDS)
        return self._connected([(address, origin.port) for address in found], deadline), deadline

    def addresses(self, origin: Origin, deadline: Deadline) -> list[str]:
        """The addresses to try, in order, all of them judged. Raises NotSent (`dns`, or AddressBlocked)."""
        found = self._look_up(origin.host, min(RESOLVE_SECONDS, deadline.remaining()))
        if self._is_guarded and not may_be_dialled(origin, found):
            logger.warning("outbound_address_refused", extra={"host": origin.host, "port": origin.port})
            raise AddressBlocked
        return found[:MOST_ADDRESSES]

    def _look_up(self, host: str, seconds: float) -> list[str]:
        try:
            found = self._resolve(host, seconds)
        except (OSError, ValueError) as error:
            raise NotSent("dns") from error
        if not found:
            raise NotSent("dns")
        return found

    def _connected(self, targets: list[tuple[str, int]], deadline: Deadline) -> socket.socket:
        """The first connection that comes about. Each address but the last leaves time for those after it."""
        failed: OSError = TimeoutError()
        for number, target in enumerate(targets):
            try:
                sock = self._connect(target, max(0.001, deadline.remaining() / (len(targets) - number)))
            except OSError as error:
                failed = error
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
        raise NotSent("connect_timeout" if isinstance(failed, TimeoutError) else "refused") from failed

    def secure(self, sock: socket.socket, host: str, deadline: Deadline, protocols: tuple[str, ...]) -> BoundedSocket:
        """The connection under TLS, its certificate verified; `protocols` are offered by ALPN. Raises NotSent."""
        context = self._tls or _public_tls(protocols)
        try:
            # The time-out of a handshake bounds the whole of it, not each read.
            sock.settimeout(max(0.001, deadline.remaining()))
            secured = context.wrap_socket(sock, server_hostname=host)
            secured.setblocking(False)
            return cast(BoundedSocket, secured)
        except (OSError, ValueError) as error:
            sock.close()
            raise NotSent("connect_timeout" if isinstance(error, TimeoutError) else "tls") from error


def may_be_dialled(origin: Origin, found: list[str]) -> bool:
    """Whether every address may be, at this port: one bad answer refuses the name."""
    opened = addresses.networks(tuple(settings.OUTBOUND_ALLOWED_NETWORKS))
    ports = {"https": PUBLIC_PORTS, "smtp": MAIL_PORTS}.get(origin.scheme, ())
    for address in map(addresses.parse, found):
        if addresses.is_within(address, opened):
            continue
        if origin.port not in ports or not addresses.is_public(address):
            return False
    return True


@cache
def _public_tls(protocols: tuple[str, ...]) -> ssl.SSLContext:
    """Trusts what the system trusts (`SSL_CERT_FILE` too) and the authorities that browsers do."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if protocols:
        context.set_alpn_protocols(list(protocols))
    context.sslsocket_class = BoundedTLSSocket
    return context
