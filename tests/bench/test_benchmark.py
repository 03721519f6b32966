"""The whole of `./hub bench`, for a moment. That the figures are good is no test's business: machines differ."""

import subprocess

import pytest

from tests.launcher.running import HUB, clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]


def test_it_compares_the_three_and_judges_the_goals() -> None:
    words = [HUB, "bench", "--seconds", "0.3", "--rounds", "1", "--clients", "2"]
    finished = subprocess.run(words, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr
    for row in ("| one | 2 | product |", "| one | 2 | bare |", "| chain | 2 | product |", "| chain | 2 | control |"):
        assert row in finished.stdout
    assert "start-up CPU against `django.setup()`" in finished.stdout
