"""An installation started: servers, database made ready, demo tenant, then web, relay, worker and beat."""

import errno
import http.client
import os
import socket
import sys
import time
from datetime import timedelta
from uuid import UUID

from integrationhub.launcher import environment, ports, postgres, servers, tokens, valkey
from integrationhub.launcher.arguments import LONGEST_TTL, ROLES, ROOT
from integrationhub.launcher.children import Program
from integrationhub.launcher.state import State, write_private
from integrationhub.launcher.supervisor import Supervisor
from integrationhub.launcher.trouble import Trouble

# The tokens of up.json are good for a day; they are made anew before that.
REFRESH_SECONDS = timedelta(hours=12).total_seconds()
# A hub that was killed a moment ago may still be letting go of its port.
PORT_SECONDS = 3.0
# Until web accepts, a question waits in the socket, and who asks sees to nothing else meanwhile.
READY_WITHIN_SECONDS = 0.5


class Installation:
    """One state directory, served on one port."""

    def __init__(self, supervisor: Supervisor, state: State, listener: socket.socket) -> None:
        self.supervisor = supervisor
        self.state = state
        self.listener = listener
        self.port: int = listener.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.settings: dict[str, str] = {}

    def start(self) -> None:
        """Start everything and write `up.json`; raises Trouble with the end of a log when a part does not start."""
        self.state.put_logs_aside()
        secrets = self.state.secrets()
        given = dict(os.environ)
        reached: dict[str, str] = {}
        # One after the other: the port of the second is chosen when the first one has its own.
        for settle in (_database, _broker):
            server = settle(self.state, secrets)
            server.start(self.supervisor)
            reached |= server.settings
        self.settings = environment.settings_of(given, secrets, reached, self.port)
        self._prepare()
        self._serve()
        self.write_up_json()
        self.supervisor.on_restart = self.write_up_json

    def _prepare(self) -> None:
        tenant = self.settings["PLATFORM_TENANT_ID"]
        program = self._program("set_up", [str(ROOT / "manage.py"), "set_up", "--demo-tenant", tenant])
        if status := self.supervisor.run(program):
            raise Trouble(f"`manage.py set_up` ended with status {status}:\n{program.log_tail()}")

    def _serve(self) -> None:
        web_words = ["-m", "gunicorn", "-c", str(ROOT / "integrationhub" / "gunicorn_conf.py")]
        web = self._program("web", [*web_words, "integrationhub.wsgi:application"], self.listener)
        celery = ["-m", "celery", "-A", "integrationhub"]
        children = [
            self.supervisor.start(program)
            for program in (
                web,
                self._program("relay", [str(ROOT / "manage.py"), "relay"]),
                self._program("worker", [*celery, "worker", "--loglevel", "info"]),
                self._program("beat", [*celery, "beat", "--loglevel", "info"]),
            )
        ]
        self.supervisor.wait_until(children[0], lambda: is_ready(self.port))

    def _program(self, name: str, words: list[str], listener: socket.socket | None = None) -> Program:
        """One of the hub's own; with a listener it serves that: who connects while it is started again, waits."""
        log = self.state.log(name)
        if listener is None:
            return Program(name, [sys.executable, *words], self.settings, log)
        settings = {**self.settings, "HUB_BIND": f"fd://{listener.fileno()}"}
        return Program(name, [sys.executable, *words], settings, log, passed=(listener.fileno(),))

    def write_up_json(self) -> None:
        """Say what is running, with fresh tokens."""
        tenant = UUID(self.settings["PLATFORM_TENANT_ID"])
        signs = self.settings["JWT_ALGORITHM"] == "HS256"
        content = {
            "base_url": self.base_url,
            "tenant_id": str(tenant),
            "tokens": {role: tokens.mint(self.settings, tenant, role, LONGEST_TTL) for role in ROLES if signs},
            "admin": {
                "username": self.settings["HUB_ADMIN_USERNAME"],
                "password": self.settings["HUB_ADMIN_PASSWORD"],
            },
            "database_url": self.settings["DATABASE_URL"],
            "redis_url": self.settings["REDIS_URL"],
            "pids": self.supervisor.pids(),
        }
        write_private(self.state.up_json, content)


def listen_on(wanted: int) -> socket.socket:
    """The socket to serve on, of any free port for 0; raises Trouble when the wanted one is taken."""
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            return ports.listen_on(wanted)
        except OSError as error:
            choose = "choose another with --port (0: any free one)."
            if error.errno != errno.EADDRINUSE:
                raise Trouble(f"cannot listen on port {wanted}: {error.strerror}; {choose}") from error
            if time.monotonic() > deadline:
                raise Trouble(f"port {wanted} is in use: stop what listens there, or {choose}") from error
        time.sleep(0.1)


def is_ready(port: int) -> bool:
    """Whether the web process answers, and its database too."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_WITHIN_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def settings_of_directory(state: State) -> dict[str, str]:
    """The environment that the children of a state directory are given, told without starting or changing anything.

    Where no hub was ever started it is the caller's own: a deployment that needs no state directory.
    """
    given = dict(os.environ)
    if not state.has_secrets():
        return given
    secrets = state.known_secrets()
    if servers.has_database(given):
        database = servers.outside_database_urls(given, secrets)
    else:
        database = servers.database_urls_of_port(state.known_port("postgres") or 5432, secrets)
    redis_url = given.get("REDIS_URL") or valkey.url(state.known_port("valkey") or 6379, secrets["valkey_password"])
    return environment.settings_of(given, secrets, database | {"REDIS_URL": redis_url}, 8000)


def _database(state: State, secrets: dict[str, str]) -> servers.Servers:
    if servers.has_database(os.environ):
        return servers.Servers(servers.outside_database_urls(os.environ, secrets))
    cluster = postgres.cluster_in(state.directory, durable=True)
    cluster.initialise(secrets["owner_password"])
    # Chosen last: making a cluster takes seconds, in which someone else could take the port.
    return servers.own_database(cluster, state.port("postgres"), secrets, state.log("postgres"))


def _broker(state: State, secrets: dict[str, str]) -> servers.Servers:
    if redis_url := os.environ.get("REDIS_URL"):
        return servers.Servers({"REDIS_URL": redis_url})
    return servers.own_broker(
        state.directory,
        state.port("valkey"),
        secrets["valkey_password"],
        os.environ,
        state.log("valkey"),
        durable=True,
    )
