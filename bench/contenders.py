"""The three that are compared, each served by gunicorn with the hub's own configuration."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg

from bench import load, product
from bench.load import Target
from integrationhub.launcher.arguments import ROOT
from integrationhub.launcher.children import Child, Program

ORDER = json.dumps(
    {
        "category": "messaging",
        "intent": "message.send.sms",
        "payload": {"to": "+14155552671", "text": "Your code is 424242. It is good for ten minutes."},
    }
).encode()
PATHS = {"product": "/integrationhub/v1/execute", "control": "/execute", "bare": "/send"}
APPLICATIONS = {"product": "bench.wsgi", "control": "bench.control.wsgi", "bare": "bench.bare.wsgi"}
# What stands in the right answer: the contender delivered, and the tenant with a chain by its second provider.
PROOFS = {
    ("product", "one"): b'"twilio_sms"',
    ("product", "chain"): b'"fallback_used":true',
    ("control", "one"): b'"twilio_sms"',
    ("control", "chain"): b'"fallback_used":true',
    ("bare", "one"): b'"succeeded"',
}
ROWS = {
    "product": "SELECT (SELECT count(*) FROM execution_execution), (SELECT count(*) FROM execution_attempt)",
    "control": "SELECT (SELECT count(*) FROM control_execution), (SELECT count(*) FROM control_attempt)",
}
HOW_IT_WRITES = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')"


@dataclass(frozen=True)
class Contender:
    """One application being served. `owner_url` sees every row it writes, `application_url` is what it writes by; None
    where nothing is recorded."""

    name: str
    child: Child
    port: int
    targets: Mapping[str, Target]
    owner_url: str | None
    application_url: str | None

    @property
    def pid(self) -> int:
        return self.child.pid or 0

    def log_tail(self) -> str:
        return self.child.program.log_tail()

    def rows(self) -> tuple[int, int] | None:
        """How many executions and attempts stand in its database."""
        if self.owner_url is None:
            return None
        with psycopg.connect(self.owner_url) as connection:
            row = connection.execute(ROWS[self.name]).fetchone() or (0, 0)
        return int(row[0]), int(row[1])

    def durability(self) -> dict[str, str]:
        """What its database says to its own role of how it writes."""
        if self.application_url is None:
            return {}
        with psycopg.connect(self.application_url) as connection:
            return dict(connection.execute(HOW_IT_WRITES).fetchall())


def program(name: str, settings: Mapping[str, str], port: int, log: Path) -> Program:
    """gunicorn serving a contender."""
    words = ["-m", "gunicorn", "-c", str(ROOT / "integrationhub" / "gunicorn_conf.py")]
    words += [f"{APPLICATIONS[name]}:application"]
    return Program(name, [sys.executable, *words], environment(name, settings) | {"HUB_BIND": f"127.0.0.1:{port}"}, log)


def environment(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a contender's processes."""
    modules = {"product": "integrationhub", "control": "bench.control", "bare": "bench.bare"}
    return {**settings, "DJANGO_SETTINGS_MODULE": f"{modules[name]}.settings", "PATH": os.environ["PATH"]}


def targets(name: str, settings: Mapping[str, str], port: int, tenants: Mapping[str, UUID]) -> dict[str, Target]:
    """The requests of each tenant that this contender serves."""
    requests = {
        tenant: load.post(PATHS[name], product.headers_of(settings, id_, "user"), ORDER)
        for tenant, id_ in tenants.items()
    }
    return {
        tenant: Target(port, request, PROOFS[name, tenant])
        for tenant, request in requests.items()
        if (name, tenant) in PROOFS
    }
