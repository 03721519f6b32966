"""Starts children, waits for them, restarts those that die, and stops all of them in order."""

import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Never, Self

from integrationhub.launcher.children import Child, Program
from integrationhub.launcher.trouble import Trouble

# A server that ends this often before it answers has a fault that another start will not mend.
MOST_FAILED_STARTS = 4
READY_SECONDS = 60.0

_TICK_SECONDS = 0.03
_IDLE_TICK_SECONDS = 0.2


class Stopped(Exception):
    """Someone asked us to end, by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


class Supervisor:
    """Holds the children of one command. Leaving its `with` block stops them all.

    Signals only set a flag, which every wait looks at: nothing is interrupted between starting a child and knowing it.
    """

    def __init__(self) -> None:
        self._children: dict[str, Child] = {}
        self._asked_to_stop: int | None = None
        # Called after a child was started again, whatever is being waited for.
        self.on_restart: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        # `nohup ./hub up` means that the end of the terminal is not meant for us.
        ignores_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        numbers = (signal.SIGTERM, signal.SIGINT, *([] if ignores_hangup else [signal.SIGHUP]))
        self._handlers_before = {number: signal.signal(number, self._on_signal) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._asked_to_stop = number

    def pids(self) -> dict[str, int]:
        """The children by name; one that died keeps its number until it is started again."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    def start(self, program: Program) -> Child:
        """Start a child that is to run until the end."""
        child = self._children[program.name] = Child(program)
        child.start()
        return child

    def wait_until(self, child: Child, is_ready: Callable[[], bool]) -> None:
        """Wait until a started child is ready; raises Trouble with the end of its log when it does not get there."""
        deadline = time.monotonic() + READY_SECONDS
        while not (child.is_running and is_ready()):
            self._tick(_TICK_SECONDS)
            if child.deaths >= MOST_FAILED_STARTS:
                raise Trouble(f"{child.program.name} does not start. The end of its log:\n{child.program.log_tail()}")
            if time.monotonic() > deadline:
                raise Trouble(
                    f"{child.program.name} was not ready after {READY_SECONDS:.0f} s. The end of its log:\n"
                    f"{child.program.log_tail()}"
                )

    def run(self, program: Program) -> int:
        """Run a child to its end, watching the others meanwhile; returns its exit status (128 + n for signal n)."""
        child = Child(program)
        child.start()
        try:
            while not child.has_ended():
                self._tick(_TICK_SECONDS)
        finally:
            _end([child])
        status = child.exit_status or 0
        return status if status >= 0 else 128 - status

    def watch(self, refresh: Callable[[], None], every_seconds: float) -> Never:
        """Watch the children until someone asks to stop, which raises Stopped; call `refresh` now and then."""
        due = time.monotonic() + every_seconds
        while True:
            self._tick(_IDLE_TICK_SECONDS)
            if time.monotonic() > due:
                refresh()
                due = time.monotonic() + every_seconds

    def stop(self) -> None:
        """Stop all children, those of one rank together; nobody is left when this returns."""
        ranks = sorted({child.program.stop_rank for child in self._children.values()})
        for rank in ranks:
            _end([child for child in self._children.values() if child.program.stop_rank == rank])
        self._children.clear()

    def _tick(self, seconds: float) -> None:
        """Restart who died, and wait a little."""
        if self._asked_to_stop is not None:
            raise Stopped(self._asked_to_stop)
        if any([self._look_after(child) for child in self._children.values()]):
            self.on_restart()
        time.sleep(seconds)

    def _look_after(self, child: Child) -> bool:
        """Start the child again if it died and its time has come; returns whether it was."""
        was_running = child.is_running
        if not child.has_ended():
            return False
        if was_running:
            _say_ended(child)
        if not child.may_restart():
            return False
        child.start()
        return True


def _end(children: list[Child]) -> None:
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + max((child.program.grace_seconds for child in children), default=0)
    while time.monotonic() < deadline and not all([child.has_ended() for child in children]):
        time.sleep(_TICK_SECONDS)
    for child in children:
        child.kill()
    while not all([child.has_ended() for child in children]):
        time.sleep(_TICK_SECONDS)


def _say_ended(child: Child) -> None:
    status = child.exit_status or 0
    how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
    print(f"hub: {child.program.name} ended {how}; it is started again", file=sys.stderr, flush=True)
