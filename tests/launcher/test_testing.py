import subprocess
import sys
from pathlib import Path

import pytest

from integrationhub.launcher.testing import TOGETHER, is_worth_workers

# Each test of the group notes which worker runs it.
GROUPED = """
import os, pathlib, pytest

pytestmark = pytest.mark.xdist_group("one at a time")

@pytest.mark.parametrize("number", range(5))
def test_one(number):
    with open(pathlib.Path(__file__).with_name("workers"), "a") as notes:
        notes.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


@pytest.mark.parametrize("words", [[], ["-m", "not slow"], ["tests/flows", "-k", "fall"], ["-x", "-q", "tests"]])
def test_many_tests_are_shared_among_workers(words: list[str]) -> None:
    assert is_worth_workers(words)


@pytest.mark.parametrize(
    "words",
    [
        ["tests/core/test_logs.py"],
        ["tests/core/test_logs.py::test_one"],
        ["tests", "-n", "4"],
        ["-n0"],
        ["-p", "no:xdist"],
        ["--numprocesses=3"],
        ["--pdb"],
        ["-s"],
        ["--collect-only"],
    ],
)
def test_a_file_a_debugger_and_the_callers_own_choice_get_one_process(words: list[str]) -> None:
    assert not is_worth_workers(words)


@pytest.mark.slow
def test_the_tests_of_a_group_are_run_by_one_worker(tmp_path: Path) -> None:
    """A release of pytest has broken it without a word before, and two whole hubs ran at once."""
    (tmp_path / "pytest.ini").touch()
    for name in ("test_these.py", "test_those.py"):
        (tmp_path / name).write_text(GROUPED)
    words = [
        sys.executable,
        "-m",
        "pytest",
        *TOGETHER,
        "-p",
        "no:cacheprovider",
        "-p",
        "no:django",
        "--rootdir",
        tmp_path,
    ]
    subprocess.run([*words, tmp_path], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    workers = (tmp_path / "workers").read_text().split()
    assert (len(workers), len(set(workers))) == (10, 1)
