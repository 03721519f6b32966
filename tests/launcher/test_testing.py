import pytest

from integrationhub.launcher.testing import is_worth_workers


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
