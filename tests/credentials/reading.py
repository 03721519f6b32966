"""Opens what tenants have bound, as executions do, until it is told to stop; then says how often, and what failed.

A process of its own is `START` with a file as argument, each line of which is a tenant's id.
"""

import random
import signal
import sys
import threading
import time
from collections import deque
from pathlib import Path
from uuid import UUID

from django.db import connections

from credentials import binding
from credentials.errors import VaultUnreadable
from credentials.models import Credential

START = ("-c", "import django; django.setup(); from tests.credentials import reading; reading.main()")
# As long as an execution may go on with what it read when it began.
HELD_SECONDS = 20.0
PAUSE_SECONDS = 0.01


class Reader:
    """What it has read is opened at once, and again when it has become old."""

    def __init__(self, tenants: list[UUID]) -> None:
        self.tenants = tenants
        self.opens = 0
        self.failures: list[str] = []
        self.is_stopped = threading.Event()

    def run(self) -> None:
        try:
            self._read()
        finally:
            connections.close_all()

    def _read(self) -> None:
        held: deque[tuple[float, Credential]] = deque()
        while not self.is_stopped.wait(PAUSE_SECONDS):
            [credential] = binding.in_use(tenant_id=random.choice(self.tenants)).values()  # noqa: S311 - any of them
            self._open(credential)
            held.append((time.monotonic() + HELD_SECONDS, credential))
            while held[0][0] < time.monotonic():
                self._open(held.popleft()[1])
        for _, credential in held:
            self._open(credential)

    def _open(self, credential: Credential) -> None:
        self.opens += 1
        try:
            if binding.opened(credential)["auth_token"] != f"token-of-{credential.tenant_id}":
                self.failures.append("another secret")
        except VaultUnreadable as error:
            self.failures.append(error.message)


def main() -> None:
    reader = Reader([UUID(line) for line in Path(sys.argv[1]).read_text().split()])
    signal.signal(signal.SIGTERM, lambda *_: reader.is_stopped.set())
    print("reading", flush=True)
    reader.run()
    print(reader.opens, len(reader.failures), *reader.failures[:3])
