"""Children of this very process: small shell programs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from integrationhub.launcher.children import Child, Program, restart_delay
from integrationhub.launcher.supervisor import Supervisor
from integrationhub.launcher.trouble import Trouble
from tests.launcher.running import ROOT, eventually


def shell(tmp_path: Path, script: str, **over: float) -> Program:
    return Program("shell", ["/bin/sh", "-c", script], dict(os.environ), log=tmp_path / "shell.log", **over)  # type: ignore[arg-type]


def test_restarts_come_slower_and_slower_up_to_five_seconds() -> None:
    assert [restart_delay(deaths) for deaths in (1, 2, 3, 5, 6, 1000)] == [0.2, 0.4, 0.8, 3.2, 5.0, 5.0]


def test_a_run_reports_the_status_of_its_program(tmp_path: Path) -> None:
    assert Supervisor().run(shell(tmp_path, "exit 3")) == 3


def test_a_run_that_was_killed_reports_it_as_a_shell_does(tmp_path: Path) -> None:
    assert Supervisor().run(shell(tmp_path, "kill -9 $$")) == 137


def test_what_a_child_left_in_its_group_ends_with_it(tmp_path: Path) -> None:
    Supervisor().run(shell(tmp_path, "sleep 60 & echo $!"))
    orphan = int((tmp_path / "shell.log").read_text())
    eventually(lambda: not is_alive(orphan), seconds=5, what="the end of the orphan")


def test_a_child_that_ignores_the_polite_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    supervisor = Supervisor()
    program = shell(tmp_path, "trap '' TERM; echo ready; while :; do sleep 0.1; done", grace_seconds=0.3)
    child = supervisor.start(program)
    supervisor.wait_until(child, lambda: "ready" in program.log_tail())
    started = time.monotonic()
    supervisor.stop()
    assert child.exit_status == -signal.SIGKILL
    assert time.monotonic() - started < 3


def test_ranks_stop_one_after_another(tmp_path: Path) -> None:
    order = tmp_path / "order"
    supervisor = Supervisor()
    for name, rank in (("database", 2), ("broker", 1), ("web", 0)):
        script = f"trap 'echo {name} >> {order}; exit' TERM; echo ready; while :; do sleep 0.02; done"
        program = Program(name, ["/bin/sh", "-c", script], dict(os.environ), log=tmp_path / name, stop_rank=rank)
        supervisor.wait_until(supervisor.start(program), lambda program=program: "ready" in program.log_tail())  # type: ignore[misc]
    supervisor.stop()
    assert order.read_text().split() == ["web", "broker", "database"]


def test_a_child_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    supervisor = Supervisor()
    child = supervisor.start(shell(tmp_path, "echo no such file as x; exit 1"))
    with pytest.raises(Trouble, match="no such file as x"):
        supervisor.wait_until(child, lambda: False)
    supervisor.stop()


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from integrationhub.launcher.children import Child, Program
child = Child(Program("sleeper", ["sleep", "60"], dict(os.environ)))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert is_alive(pid)
        process.kill()
    eventually(lambda: not is_alive(pid), seconds=5, what="the end of the child")


def test_a_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    child = Child(shell(tmp_path, "sleep 60"))
    child.start()
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid
    child.kill()
    eventually(child.has_ended, seconds=5, what="the end of the child")


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
