"""`./hub` before there is a virtual environment: what it makes, and how it mends what it finds.

Most tests install two tiny wheels of our own in the place of the real requirements: the way is the same and quick.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launcher.running import ROOT, clean_environment, eventually

pytestmark = pytest.mark.slow

# What takes the launcher's place in these copies: it tells which packages it can import.
LAUNCHER = """
import importlib.util, os, sys
found = [name for name in ("tiny", "toy") if importlib.util.find_spec(name)]
sys.stdout.write(f"{sys.prefix} {os.getcwd()} {found} {sys.argv[1:]}")
"""
# No uv there, so that pip has to do.
WITHOUT_UV = "/usr/bin:/bin"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A clone whose requirements are the wheel `tiny`, and for development `toy` as well."""
    clone = tmp_path / "clone"
    launcher = clone / "integrationhub" / "launcher"
    launcher.mkdir(parents=True)
    shutil.copy(ROOT / "hub", clone)
    shutil.copy(ROOT / "integrationhub" / "launcher" / "arguments.py", launcher)
    for package in (launcher.parent, launcher):
        (package / "__init__.py").touch()
    (launcher / "__main__.py").write_text(LAUNCHER)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    tiny, toy = (requirement(wheels, name) for name in ("tiny", "toy"))
    (clone / "requirements.txt").write_text(tiny)
    (clone / "requirements-dev.txt").write_text(tiny + toy)
    return clone


def requirement(wheels: Path, name: str) -> str:
    """Make a wheel of one empty module; returns its pinned line."""
    path, about = wheels / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in files.items():
            wheel.writestr(file, content)
        wheel.writestr(f"{about}/RECORD", "".join(f"{file},,\n" for file in (*files, f"{about}/RECORD")))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name} @ {path.as_uri()} --hash=sha256:{digest}\n"


def hub(clone: Path, command: str = "demo", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the clone's `hub` by a relative path, from a directory that is not the clone's."""
    words = [sys.executable, os.path.relpath(clone / "hub", clone.parent), command]
    settings = clean_environment() | environment
    return subprocess.run(
        words, cwd=clone.parent, env=settings, capture_output=True, text=True, timeout=300, check=False
    )


def installed(finished: subprocess.CompletedProcess[str]) -> bool:
    assert finished.returncode == 0, finished.stderr
    return "installing" in finished.stderr


def test_the_first_start_installs_and_the_second_does_not(copy: Path) -> None:
    first, second = hub(copy, PATH=WITHOUT_UV), hub(copy, PATH=WITHOUT_UV)
    assert installed(first)
    assert not installed(second)
    assert second.stderr == ""
    assert first.stdout == second.stdout == f"{copy}/.venv {copy} ['tiny'] ['demo']"


def test_the_tests_get_their_tools(copy: Path) -> None:
    hub(copy)
    assert "['tiny', 'toy']" in hub(copy, "test").stdout
    assert not installed(hub(copy))


def test_changed_pins_are_installed(copy: Path) -> None:
    hub(copy)
    shutil.copy(copy / "requirements-dev.txt", copy / "requirements.txt")
    changed = hub(copy)
    assert installed(changed)
    assert "['tiny', 'toy']" in changed.stdout


def a_missing_package(venv: Path) -> None:
    shutil.rmtree(next(venv.glob("lib/python3.*/site-packages/tiny-*")))


def a_python_that_went_away(venv: Path) -> None:
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nonexistent/python3")


def another_python(venv: Path) -> None:
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (venv / "bin" / "python").chmod(0o755)


def the_systems_python(venv: Path) -> None:
    (venv / "pyvenv.cfg").unlink()
    (venv / "hub-installed.json").unlink()


def an_empty_directory(venv: Path) -> None:
    shutil.rmtree(venv)
    venv.mkdir()


def a_cut_off_installation(venv: Path) -> None:
    a_missing_package(venv)
    (venv / "hub-installed.json").write_text(json.dumps({"made": "unfinished"}))


def a_damaged_record(venv: Path) -> None:
    (venv / "hub-installed.json").write_text("{")


@pytest.mark.parametrize(
    "harm",
    [
        a_missing_package,
        a_python_that_went_away,
        another_python,
        the_systems_python,
        an_empty_directory,
        a_cut_off_installation,
        a_damaged_record,
    ],
)
def test_a_broken_environment_is_mended(copy: Path, harm: Callable[[Path], None]) -> None:
    hub(copy)
    harm(copy / ".venv")
    mended = hub(copy)
    assert installed(mended)
    assert f"{copy}/.venv {copy} ['tiny']" in mended.stdout


def test_a_clone_that_was_moved_makes_its_environment_anew(copy: Path) -> None:
    hub(copy)
    moved = copy.rename(copy.with_name("moved"))
    finished = hub(moved)
    assert "making" in finished.stderr
    assert finished.stdout.startswith(f"{moved}/.venv {moved}")


def test_two_first_starts_at_once_share_one_installation(copy: Path) -> None:
    starts = [
        subprocess.Popen(
            [copy / "hub", "demo"], env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [start.communicate(timeout=120) for start in starts]
    assert [output for output, _ in told] == [f"{copy}/.venv {copy} ['tiny'] ['demo']"] * 2
    assert sorted("making" in errors for _, errors in told) == [False, True]


def test_a_start_that_was_killed_in_its_installation_is_made_good(copy: Path) -> None:
    start = subprocess.Popen([copy / "hub", "demo"], env=clean_environment(), start_new_session=True)
    eventually(lambda: (copy / ".venv" / "hub-installed.json").exists(), seconds=60, what="the installation's start")
    os.killpg(start.pid, signal.SIGKILL)
    start.wait()
    assert "['tiny']" in hub(copy).stdout


def test_the_systems_pip_serves_where_ensurepip_is_missing(copy: Path, tmp_path: Path) -> None:
    without = tmp_path / "without-ensurepip"
    without.mkdir()
    (without / "ensurepip.py").write_text("raise ModuleNotFoundError('No module named ensurepip')")
    finished = hub(copy, PYTHONPATH=str(without), PATH=WITHOUT_UV)
    assert "['tiny']" in finished.stdout
    assert not list((copy / ".venv").glob("lib/python3.*/site-packages/pip"))


def test_without_any_pip_it_says_what_to_install(copy: Path, tmp_path: Path) -> None:
    without = tmp_path / "without-pip"
    without.mkdir()
    for module in ("ensurepip", "pip"):
        (without / f"{module}.py").write_text(f"raise ModuleNotFoundError('No module named {module}')")
    (tmp_path / "bin").mkdir()
    finished = hub(copy, PYTHONPATH=str(without), PATH=str(tmp_path / "bin"))
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith(
        "hub: no pip to install the requirements with: install python3-pip"
    )


def test_a_mistyped_command_is_answered_before_anything_is_installed(copy: Path) -> None:
    assert hub(copy, "upp").returncode == 2
    assert not (copy / ".venv").exists()


def test_an_older_python_is_told_in_one_sentence(copy: Path, tmp_path: Path) -> None:
    pretend = f"import sys, runpy; sys.version_info = (3, 9, 2); runpy.run_path({str(copy / 'hub')!r})"
    finished = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "needs Python 3.11" in finished.stderr
    assert "is 3.9" in finished.stderr
