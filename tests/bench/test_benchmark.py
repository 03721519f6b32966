"""The whole of `./hub bench`, for a moment. That the figures are good is no test's business: machines differ."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launcher.running import HUB, clean_environment, eventually, processes_with

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A temporary directory of this test alone, which PostgreSQL's account can pass through."""
    directory = Path(tempfile.mkdtemp(prefix="hub-scratch-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def test_it_compares_the_three_judges_the_goals_and_leaves_nothing(scratch: Path) -> None:
    tag = f"TMPDIR={scratch}"
    words = [HUB, "bench", "--seconds", "0.3", "--rounds", "1", "--clients", "2"]
    environment = clean_environment(TMPDIR=str(scratch))
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        eventually(lambda: "gunicorn" in str(processes_with(tag)), seconds=60, what="a contender")
        kept = os.listdir(scratch)
        told, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    for row in ("| one | 2 | product |", "| one | 2 | bare |", "| chain | 2 | product |", "| chain | 2 | control |"):
        assert row in told
    assert "`django.setup()`" in told
    assert kept, "It keeps its files where it is told to."
    eventually(lambda: processes_with(tag) == [], seconds=5, what="the end of every process")
    assert os.listdir(scratch) == []
