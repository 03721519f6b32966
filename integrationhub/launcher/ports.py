"""TCP ports of 127.0.0.1."""

import errno
import secrets
import socket

# Below the range that the kernel takes the ports of outgoing connections from, which would collide with ours.
_CHOICE = range(20000, 32000)
# gunicorn's own; the kernel caps it.
_BACKLOG = 2048


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on, chosen at random so that two hubs starting together do not meet."""
    # Not of `random`, which a test may have seeded: two of its processes would draw the same ports.
    return next(port for port in iter(lambda: secrets.choice(_CHOICE), None) if is_free(port))


def listen_on(port: int) -> socket.socket:
    """A socket that listens on the port, on any free one for 0; raises OSError where someone else does.

    It is ours from now on: nobody takes the port before the server is started that is handed the socket.
    """
    while True:
        try:
            return socket.create_server(("127.0.0.1", port or free_port()), backlog=_BACKLOG)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise
