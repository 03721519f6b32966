"""A child process that cannot outlive us, and ends together with whatever it started."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from integrationhub.launcher.accounts import Account

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None)

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0
# Whoever ran this long was well: its next death starts the back-off anew.
STEADY_SECONDS = 10.0


@dataclass(frozen=True)
class Program:
    """What to run and how it wants to be stopped."""

    name: str
    argv: list[str]
    environment: Mapping[str, str]
    # None: it speaks on our own stdout and stderr.
    log: Path | None = None
    # Sockets of ours that it inherits, by their numbers.
    passed: tuple[int, ...] = ()
    # None: it runs as we do.
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    grace_seconds: float = 8.0
    # Lower numbers are stopped first; those of one number together.
    stop_rank: int = 0

    def log_tail(self, lines: int = 25) -> str:
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Child:
    """One run after another of a program, each in a session and process group of its own."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.deaths = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._may_start_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process of the last run; between two runs, and after the last one, it is gone."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def exit_status(self) -> int | None:
        """The status of the last run; negative for a signal, as in `subprocess`."""
        return self._process.returncode if self._process else None

    def start(self) -> None:
        """Start a run. Call it from the main thread: the kernel ties the death signal to the thread that forks."""
        program = self.program
        account = program.account
        self._started_at = time.monotonic()
        output = open(program.log, "ab") if program.log else None  # noqa: SIM115 - closed below, once handed over.
        try:
            self._process = subprocess.Popen(
                program.argv,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL if output else None,
                stdout=output,
                stderr=output,
                pass_fds=program.passed,
                # Ctrl-C in the terminal reaches us alone, and we stop the children in their order.
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                cwd="/" if account else None,
                # Runs after the change of user, which would clear the death signal.
                preexec_fn=_dying_with(os.getpid(), program.death_signal),
            )
        finally:
            if output:
                output.close()

    def has_ended(self) -> bool:
        """Whether no run is under way. A run whose first process ended loses its other processes here."""
        process = self._process
        if process is None or process.returncode is not None:
            return True
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        # Only while the dead process is not reaped is its number, and so its group, certain to be ours.
        self._signal_group(signal.SIGKILL)
        process.wait()
        self.deaths += 1
        steady = time.monotonic() - self._started_at > STEADY_SECONDS
        if steady:
            self.deaths = 1
        self._may_start_at = time.monotonic() + restart_delay(self.deaths)
        return True

    def may_restart(self) -> bool:
        return time.monotonic() >= self._may_start_at

    def ask_to_stop(self) -> None:
        if not self.has_ended():
            assert self._process is not None  # noqa: S101 - told to mypy; `has_ended` saw it.
            self._process.send_signal(self.program.stop_signal)

    def kill(self) -> None:
        """End it and its whole process group now."""
        if not self.has_ended():
            self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        assert self._process is not None  # noqa: S101 - told to mypy; callers hold a run.
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return


def restart_delay(deaths: int) -> float:
    """Seconds to wait before the next start, after so many deaths in a row: 0.2, 0.4, ... up to 5."""
    return min(FIRST_DELAY_SECONDS * 2 ** (min(deaths, 10) - 1), LONGEST_DELAY_SECONDS)


def _dying_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    """What a child does before it becomes its program: ask the kernel for `death_signal` when `parent` ends."""

    def ask() -> None:
        if sys.platform == "linux":
            _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        # The parent may have ended before the kernel was asked.
        if os.getppid() != parent:
            os._exit(1)

    return ask
