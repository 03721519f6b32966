"""The database and the broker of a command: our own, unless the environment names real ones."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from integrationhub.launcher import postgres, valkey
from integrationhub.launcher.children import Program
from integrationhub.launcher.supervisor import Supervisor
from integrationhub.launcher.trouble import Trouble

DATABASE_SETTINGS = ("DATABASE_OWNER_URL", "DATABASE_URL", "DATABASE_SYSTEM_URL")


@dataclass
class Servers:
    """What to start, and the settings by which to reach it."""

    settings: dict[str, str] = field(default_factory=dict)
    own: list[tuple[Program, Callable[[], bool]]] = field(default_factory=list)

    def start(self, supervisor: Supervisor) -> None:
        """Start our own servers together and wait until each answers."""
        for child, answers in [(supervisor.start(program), answers) for program, answers in self.own]:
            supervisor.wait_until(child, answers)


def has_database(given: Mapping[str, str]) -> bool:
    return any(given.get(name) for name in DATABASE_SETTINGS)


def own_database(cluster: postgres.Cluster, port: int, passwords: Mapping[str, str], log: Path) -> Servers:
    """Our cluster, which has been initialised."""
    settings = database_urls_of_port(port, passwords)
    owner_url = settings["DATABASE_OWNER_URL"]
    return Servers(settings, [(cluster.program(port, log), lambda: postgres.answers(owner_url))])


def database_urls_of_port(port: int, passwords: Mapping[str, str]) -> dict[str, str]:
    """The three URLs of our own cluster."""
    roles = (postgres.OWNER, "hub_app", "hub_system")
    secrets = (passwords["owner_password"], passwords["app_password"], passwords["system_password"])
    return {
        name: f"postgres://{role}:{secret}@127.0.0.1:{port}/integrationhub"
        for name, role, secret in zip(DATABASE_SETTINGS, roles, secrets, strict=True)
    }


def outside_database_urls(given: Mapping[str, str], passwords: Mapping[str, str]) -> dict[str, str]:
    """The three URLs of a database that the environment names; those of the two roles are made up where missing.

    Raises Trouble when the owner's is missing, since nobody could then migrate.
    """
    if not given.get("DATABASE_OWNER_URL"):
        raise Trouble(
            "DATABASE_URL names a database, but DATABASE_OWNER_URL is not set: set it to a superuser's URL of the same "
            "database (the two roles are made from it), or set all three of " + ", ".join(DATABASE_SETTINGS) + "."
        )
    owner = urlsplit(given["DATABASE_OWNER_URL"])
    place = owner.netloc.rpartition("@")[2]
    # Roles belong to the whole server, and two hubs may share one: the database's name keeps theirs apart.
    suffix = hashlib.sha256(owner.path.encode()).hexdigest()[:8]
    urls = {"DATABASE_OWNER_URL": given["DATABASE_OWNER_URL"]}
    for name, role in (("DATABASE_URL", "app"), ("DATABASE_SYSTEM_URL", "system")):
        login = f"hub_{role}_{suffix}:{passwords[f'{role}_password']}"
        urls[name] = given.get(name) or owner._replace(netloc=f"{login}@{place}").geturl()
    return urls


def own_broker(
    directory: Path, port: int, password: str, environment: Mapping[str, str], log: Path, *, durable: bool
) -> Servers:
    program = valkey.program(directory, port, password, environment, log, durable=durable)
    return Servers({"REDIS_URL": valkey.url(port, password)}, [(program, lambda: valkey.answers(port, password))])
