"""A hub started for a test as a user starts it, and what is left of it afterwards."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[2]
HUB = ROOT / "hub"
PASSED_ON = ("PATH", "HOME", "LANG", "PIP_CERT", "PIP_FIND_LINKS", "PIP_DEFAULT_TIMEOUT", "UV_CACHE_DIR")


def clean_environment(**more: str) -> dict[str, str]:
    """A login shell's environment: none of the settings that this test run was given."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | more


class RunningHub:
    """`./hub up` on a state directory and a port of its own."""

    def __init__(self, state: Path, **environment: str) -> None:
        self.state = state
        self.errors, self.output = ((state.parent / f"{state.name}.{end}").open("a+") for end in ("errors", "output"))
        self.process = subprocess.Popen(
            [HUB, "up", "--port", "0", "--state", state],
            env=clean_environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )

    def wait_until_up(self) -> Self:
        eventually(self._is_up, seconds=90, what="up.json")
        return self

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"hub up ended with {self.process.returncode}: {self.said()}")
        return (self.state / "up.json").exists()

    def said(self) -> str:
        self.errors.seek(0)
        return self.errors.read()

    def told(self) -> str:
        self.output.seek(0)
        return self.output.read()

    def up(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state / "up.json").read_text())
        return content

    def get(self, path: str, base_url: str = "", **headers: str) -> int:
        request = Request((base_url or self.up()["base_url"]) + path, headers=headers)  # noqa: S310 - our own address
        with urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
            return int(answer.status)

    def stop(self) -> None:
        """End it, if it still runs, and what it holds of this test."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)
        self.output.close()
        self.errors.close()

    def leftovers(self) -> list[str]:
        """The processes that carry this hub's state directory in their environment, the supervisor apart."""
        return [line for pid, line in tagged_processes(self.state) if pid != self.process.pid]


@contextmanager
def a_hub() -> Iterator[RunningHub]:
    """A hub that is up; stopped with all that belongs to it, whatever the test did."""
    with state_directory() as state:
        hub = RunningHub(state)
        try:
            yield hub.wait_until_up()
        finally:
            hub.stop()


@contextmanager
def state_directory() -> Iterator[Path]:
    """A directory right below the temporary one, where PostgreSQL's account can reach it."""
    directory = Path(tempfile.mkdtemp(prefix="hub-state-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        for end in ("errors", "output"):
            directory.with_name(f"{directory.name}.{end}").unlink(missing_ok=True)


def tagged_processes(state: Path) -> list[tuple[int, str]]:
    """The processes whose environment names this state directory, as (pid, command line)."""
    return processes_with(f"HUB_STATE={state}")


def processes_with(variable: str) -> list[tuple[int, str]]:
    """The processes whose environment holds this `NAME=value`, as (pid, command line)."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (directory / "environ").read_bytes().split(b"\0"):
                words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found.append((int(directory.name), f"{directory.name} {words}"))
        except OSError:  # It ended while we looked.
            continue
    return found


def eventually(holds: Callable[[], bool], *, seconds: float, what: str) -> float:
    """Wait until something holds; returns the seconds it took, fails after `seconds`."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - started
