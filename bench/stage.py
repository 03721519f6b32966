"""What a benchmark needs on this machine: durable servers, the stub, and the contenders, all thrown away afterwards."""

import base64
import http.client
import json
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from bench import contenders, product
from bench.contenders import Contender
from integrationhub.launcher import environment
from integrationhub.launcher.arguments import ROOT
from integrationhub.launcher.children import Program
from integrationhub.launcher.ports import free_port
from integrationhub.launcher.state import new_secrets
from integrationhub.launcher.supervisor import Supervisor
from integrationhub.launcher.testing import throw_away_servers
from integrationhub.launcher.trouble import Trouble

# What the caller has set for a hub of its own must not change what is measured.
PASSED_ON = ("PATH", "HUB_CALLED_FROM", "HOME", "LANG", "TMPDIR", "HUB_STATE")


@dataclass(frozen=True)
class Stage:
    """Everything that runs. `server_pids` are those of PostgreSQL and of Valkey."""

    supervisor: Supervisor
    settings: Mapping[str, str]
    tenants: Mapping[str, UUID]
    stub_port: int
    contenders: Mapping[str, Contender]
    server_pids: Mapping[str, int]

    def hits(self) -> Counter[str]:
        """What the stub was asked so far, by path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.stub_port, timeout=5)
        connection.request("GET", "/counts")
        counts = Counter(json.loads(connection.getresponse().read()))
        connection.close()
        return counts

    def pause(self, seconds: float) -> None:
        """Let what was measured come to rest. Raises Stopped when someone has asked us to end."""
        until = time.monotonic() + seconds
        child = next(iter(self.contenders.values())).child
        self.supervisor.wait_until(child, lambda: time.monotonic() > until)


@contextmanager
def stage(supervisor: Supervisor, wanted: Collection[str], names: Collection[str]) -> Iterator[Stage]:
    """Start it all: `wanted` are the tenants, `names` the contenders."""
    for name in set(os.environ) - set(PASSED_ON):
        del os.environ[name]
    with (
        tempfile.TemporaryDirectory(prefix="hub-bench-") as logs,
        throw_away_servers(supervisor, durable=True) as servers,
    ):
        server_pids = supervisor.pids()
        settings = settings_for(servers)
        tenants = {name: uuid4() for name in wanted}
        _start_stub(supervisor, settings, Path(logs))
        _prepare(supervisor, settings, tenants, preparations(names, settings, tenants, Path(logs)))
        served = {name: _serve(supervisor, name, settings, tenants, Path(logs)) for name in names}
        if "product" in served:
            for name, tenant in tenants.items():
                product.install(settings, served["product"].port, name, tenant)
        yield Stage(supervisor, settings, tenants, int(settings["STUB_PORT"]), served, server_pids)


def settings_for(servers: Mapping[str, str]) -> dict[str, str]:
    """One environment for all: each contender reads of it what it knows."""
    database, _, _ = servers["DATABASE_OWNER_URL"].rpartition("/")
    stub_port = free_port()
    own = {
        "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
        "SANDBOX_ENABLED": "false",
        "STUB_PORT": str(stub_port),
        "STUB_URL": f"http://127.0.0.1:{stub_port}",
        "CONTROL_DATABASE_URL": f"{database}/control",
        "CONTROL_CREDENTIAL_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    made = new_secrets()
    urls = {"DATABASE_URL": ("hub_app", "app_password"), "DATABASE_SYSTEM_URL": ("hub_system", "system_password")}
    place = database.rpartition("@")[2]
    roles = {name: f"postgres://{role}:{made[key]}@{place}/integrationhub" for name, (role, key) in urls.items()}
    return environment.settings_of(own, made, {**servers, **roles}, free_port())


def _start_stub(supervisor: Supervisor, settings: Mapping[str, str], logs: Path) -> None:
    words = [sys.executable, "-m", "bench.stub", settings["STUB_PORT"]]
    child = supervisor.start(Program("stub", words, settings, logs / "stub.log"))
    supervisor.wait_until(child, lambda: answers_at(int(settings["STUB_PORT"]), "/counts"))


def preparations(
    names: Collection[str], settings: Mapping[str, str], tenants: Mapping[str, UUID], logs: Path
) -> list[Program]:
    """What fills the databases of these contenders. The hub's is always there: its settings are those of all."""
    programs = [Program("set_up", [sys.executable, str(ROOT / "manage.py"), "set_up"], settings, logs / "set_up.log")]
    if "control" in names:
        words = [sys.executable, "-m", "bench.control.preparing", settings["STUB_URL"]]
        words += [f"{name}={tenant}" for name, tenant in tenants.items()]
        programs.append(Program("control", words, contenders.environment("control", settings), logs / "control.log"))
    return programs


def _prepare(
    supervisor: Supervisor, settings: Mapping[str, str], tenants: Mapping[str, UUID], programs: Collection[Program]
) -> None:
    for program in programs:
        if status := supervisor.run(program):
            raise Trouble(f"{program.name} ended with status {status}:\n{program.log_tail()}")
    product.make_tier(settings, tenants, settings["STUB_URL"])


def _serve(
    supervisor: Supervisor, name: str, settings: Mapping[str, str], tenants: Mapping[str, UUID], logs: Path
) -> Contender:
    port = free_port()
    child = supervisor.start(contenders.program(name, settings, port, logs / f"{name}.log"))
    # Any answer will do: the control and the bare view have one path, and no page that says that they are ready.
    supervisor.wait_until(child, lambda: answers_at(port, "/readyz"))
    # Of the hub's rows its own role is shown one tenant's at a time.
    databases = {
        "product": (settings["DATABASE_OWNER_URL"], settings["DATABASE_URL"]),
        "control": (settings["CONTROL_DATABASE_URL"], settings["CONTROL_DATABASE_URL"]),
    }
    targets = contenders.targets(name, settings, port, tenants)
    return Contender(name, child, port, targets, *databases.get(name, (None, None)))


def answers_at(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
