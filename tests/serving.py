"""The hub's web process as a deployment runs it: gunicorn with the service's own configuration, on loopback."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from integrationhub.launcher.ports import listen_on

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60


@dataclass
class Served:
    """Its port, and gunicorn's master."""

    port: int
    process: "subprocess.Popen[bytes]"


@contextmanager
def serving(
    application: str = "integrationhub.wsgi",
    listener: socket.socket | None = None,
    stderr: int = subprocess.DEVNULL,
    **settings: str,
) -> Iterator[Served]:
    """A server that answers; ended by its pid. The socket is ours from the start, so nobody takes its port before."""
    with listener or listen_on(0) as bound:
        port = bound.getsockname()[1]
        served = Served(port, _started(application, bound, stderr, settings))
    try:
        _first_answer(served)
        yield served
    finally:
        if served.process.poll() is None:
            served.process.send_signal(signal.SIGTERM)
        served.process.wait(20)


def _started(application: str, bound: socket.socket, stderr: int, settings: dict[str, str]) -> "subprocess.Popen[Any]":
    words = [sys.executable, "-m", "gunicorn", "-c", "integrationhub/gunicorn_conf.py", application]
    environment = {"WEB_WORKERS": "1", **settings, "HUB_BIND": f"fd://{bound.fileno()}"}
    return subprocess.Popen(
        words, cwd=ROOT, env={**os.environ, **environment}, stderr=stderr, pass_fds=(bound.fileno(),)
    )


def _first_answer(served: Served) -> None:
    """The request waits in the socket for the server; where that ends instead, the connection does too."""
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=START_SECONDS)) as connection:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert answer.status == HTTPStatus.OK, answer.read()
