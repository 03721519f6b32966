"""`./hub test`: pytest, beside servers that are thrown away afterwards."""

import os
import re
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

# Two worker processes. Tests of one `xdist_group` share a worker, so that two whole hubs never run at once.
TOGETHER = ["-n", "2", "--dist", "loadgroup"]
# What names a file or a test, decides about workers, or talks with whoever runs it.
ALONE = re.compile(r"\.py\b|^-n|^-[sh]$|no:xdist|^--(numprocesses|dist|pdb|trace|capture=no|co|fixtures|help|version)")


@contextmanager
def throw_away_servers(supervisor: Supervisor, *, durable: bool = False) -> Iterator[dict[str, str]]:
    """The environment of a test run: a superuser's `DATABASE_OWNER_URL` and a `REDIS_URL`, those given or our own.

    Our own forget everything when the block is left, and write durably before only where that is asked for.
    """
    with tempfile.TemporaryDirectory(prefix="hub-test-") as name:
        directory, secrets = Path(name), new_secrets()
        os.environ["HUB_STATE"] = name
        settings = dict(os.environ)
        homes: list[Path] = []
        try:
            if not settings.get("REDIS_URL"):
                password, log = secrets["valkey_password"], directory / "valkey.log"
                broker = servers.own_broker(directory, free_port(), password, settings, log, durable=durable)
                broker.start(supervisor)
                settings |= broker.settings
            if not settings.get("DATABASE_OWNER_URL"):
                cluster = postgres.cluster_in(directory, durable=durable)
                homes.append(cluster.data.parent)
                cluster.initialise(secrets["owner_password"])
                database = servers.own_database(cluster, free_port(), secrets, directory / "postgres.log")
                database.start(supervisor)
                settings["DATABASE_OWNER_URL"] = database.settings["DATABASE_OWNER_URL"]
            yield settings
        finally:
            supervisor.stop()
            for home in homes:
                shutil.rmtree(home, ignore_errors=True)


def pytest_program(arguments: list[str], settings: Mapping[str, str]) -> Program:
    """pytest on our own terminal; it ends its tests properly when it is interrupted."""
    words = [sys.executable, "-m", "pytest", *(TOGETHER if is_worth_workers(arguments) else []), *arguments]
    return Program("pytest", words, settings, stop_signal=SIGINT)


def is_worth_workers(arguments: list[str]) -> bool:
    """Whether the tests are shared out: not a file's or a single one's, nor where the caller has settled it."""
    return not any(ALONE.search(argument) for argument in arguments)
