"""The child processes of this one, kept warm between messages, since to import apprise takes longer than to send.

At most two, so that the long tail takes no more than its share of memory; one that has had nothing to do for a minute
ends. Whoever finds both busy waits within its own deadline.
"""

import atexit
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import AnswerLost, NotSent

MOST_CHILDREN = 2
# Before the child ends by itself, so that none is asked that is about to.
IDLE_SECONDS = 60.0
_PROGRAM = Path(__file__).with_name("child.py")
# No proxy, no netrc, no path to other programs: nothing of ours.
_ENVIRONMENT = {"HOME": "/nonexistent", "LANG": "C.UTF-8"}


class Child:
    """One process, which does one job at a time."""

    def __init__(self) -> None:
        self.used_at = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  Our own program.
            [sys.executable, "-I", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            encoding="utf-8",
        )
        self._stdin = cast(IO[str], self._process.stdin)
        self._stdout = cast(IO[str], self._process.stdout)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_fresh(self) -> bool:
        return self._process.poll() is None and time.monotonic() - self.used_at < IDLE_SECONDS

    def ask(self, job: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        """What became of the job. Raises NotSent or AnswerLost; the process has ended then."""
        timer = threading.Timer(deadline.remaining(), self._process.kill)
        timer.daemon = True
        timer.start()
        is_sent = False
        try:
            for said in self._lines({**job, "ends": deadline.at}):
                if "accepted" in said:
                    self.used_at = time.monotonic()
                    return said
                is_sent = True
        except (OSError, ValueError):
            # It ended while it was written to, or within a line.
            pass
        finally:
            timer.cancel()
        self.end()
        is_late = deadline.remaining() <= 0
        if is_sent:
            raise AnswerLost("read_timeout" if is_late else "connection_lost")
        raise NotSent("deadline_exceeded" if is_late else "not_connected")

    def _lines(self, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What it says to a job, line by line, until it ends."""
        self._stdin.write(json.dumps(job) + "\n")
        self._stdin.flush()
        return map(json.loads, self._stdout)

    def end(self) -> None:
        """At once, by its own id."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):  # What was still held for a process that is no more.
                pipe.close()


class Children:
    """At most `most` of them; safe to share between threads. None is started before the first job."""

    def __init__(self, most: int = MOST_CHILDREN) -> None:
        self._permits = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[Child] = []

    def ask(self, job: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        """Have one do the job. Raises NotSent or AnswerLost."""
        if deadline.remaining() <= 0 or not self._permits.acquire(timeout=deadline.remaining()):
            raise NotSent("deadline_exceeded")
        try:
            child = self._taken()
            said = child.ask(job, deadline)
            with self._lock:
                self._idle.append(child)
            return said
        finally:
            self._permits.release()

    def end(self) -> None:
        """Those that have nothing to do."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def _taken(self) -> Child:
        with self._lock:
            idle, self._idle = self._idle, []
            fresh = [child for child in idle if child.is_fresh]
            child = fresh.pop() if fresh else None
            self._idle = fresh
        for each in idle:
            if each is not child and each not in fresh:
                each.end()
        try:
            return child or Child()
        except OSError:
            raise NotSent("no_process") from None


children = Children()
atexit.register(children.end)
