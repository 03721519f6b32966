"""A real IPFS node on loopback: js-ipfs of npm, offline, with a repository of its own.

It speaks Kubo's RPC. What differs from Kubo: it prints CIDs of version 1 in base58, and words its errors otherwise.
"""

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import peers

START_SECONDS = 90
LOOPBACK = "/ip4/127.0.0.1/tcp/0"


@contextmanager
def running() -> Iterator[str]:
    """Its address; it is ended by its pid."""
    with tempfile.TemporaryDirectory() as repository, tempfile.TemporaryFile() as said:
        _init(Path(repository))
        process = subprocess.Popen(
            [*_command(), "daemon", "--offline"], env=_environment(repository), stdout=said, stderr=said, cwd=repository
        )
        try:
            yield f"http://127.0.0.1:{_port(process, Path(repository), said)}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _command() -> list[str]:
    folder = peers.installed(peers.IPFS)
    return [peers.node(), str(folder / "node_modules/ipfs/src/cli.js")]


def _environment(repository: str) -> dict[str, str]:
    return {"IPFS_PATH": repository, "HOME": repository, "PATH": "/usr/bin:/bin"}


def _init(repository: Path) -> None:
    """Nobody to connect to, and nobody who connects: only the RPC listens, at a port that the system gives."""
    command = [*_command(), "init", "--profile", "test", "--empty-repo"]
    subprocess.run(command, env=_environment(str(repository)), check=True, capture_output=True, timeout=START_SECONDS)
    path = repository / "config"
    config = json.loads(path.read_text())
    config["Addresses"] |= {"Swarm": [], "API": LOOPBACK, "Gateway": LOOPBACK, "RPC": LOOPBACK}
    path.write_text(json.dumps(config))


def _port(process: "subprocess.Popen[Any]", repository: Path, said: Any) -> int:
    """By the file that a node writes once its RPC listens."""
    for _ in range(START_SECONDS * 10):
        written = repository / "api"
        if written.exists() and (found := re.search(r"/tcp/([0-9]+)", written.read_text())):
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.1)
    said.seek(0)
    raise AssertionError(f"The node did not come up: {said.read().decode()[-2000:]}")
