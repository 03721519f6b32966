"""`./hub test`: pytest, beside servers that are thrown away afterwards."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT

from integrationhub.launcher import postgres, servers
from integrationhub.launcher.children import Program
from integrationhub.launcher.ports import free_port
from integrationhub.launcher.state import new_secrets
from integrationhub.launcher.supervisor import Supervisor


@contextmanager
def throw_away_servers(supervisor: Supervisor) -> Iterator[dict[str, str]]:
    """The environment of a test run: a superuser's `DATABASE_OWNER_URL` and a `REDIS_URL`, those given or our own.

    Our own forget everything when the block is left, and write nothing durably before.
    """
    with tempfile.TemporaryDirectory(prefix="hub-test-") as name:
        directory, secrets = Path(name), new_secrets()
        os.environ["HUB_STATE"] = name
        settings = dict(os.environ)
        homes: list[Path] = []
        try:
            if not settings.get("REDIS_URL"):
                broker = servers.own_broker(
                    directory, free_port(), secrets["valkey_password"], settings, directory / "valkey.log"
                )
                broker.start(supervisor)
                settings |= broker.settings
            if not settings.get("DATABASE_OWNER_URL"):
                cluster = postgres.cluster_in(directory, free_port(), durable=False)
                homes.append(cluster.data.parent)
                database = servers.own_database(cluster, secrets, directory / "postgres.log")
                database.start(supervisor)
                settings["DATABASE_OWNER_URL"] = database.settings["DATABASE_OWNER_URL"]
            yield settings
        finally:
            supervisor.stop()
            for home in homes:
                shutil.rmtree(home, ignore_errors=True)


def pytest_program(arguments: list[str], settings: Mapping[str, str]) -> Program:
    """pytest on our own terminal; it ends its tests properly when it is interrupted."""
    return Program("pytest", [sys.executable, "-m", "pytest", *arguments], settings, stop_signal=SIGINT)
