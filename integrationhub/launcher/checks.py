"""`./hub check`: every check named, with a tick or a cross and its time; all run even if one fails."""

import base64
import os
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from integrationhub.launcher.arguments import ROOT
from integrationhub.launcher.children import Program
from integrationhub.launcher.supervisor import Supervisor
from integrationhub.launcher.testing import pytest_program, throw_away_servers

# `hub` has no ending by which the tools would find it.
PYTHON_FILES = [".", "hub"]


@dataclass(frozen=True)
class Check:
    name: str
    words: list[str]


def static_checks() -> list[Check]:
    """What needs no server: each is a module or script run by our own Python."""
    manage = str(ROOT / "manage.py")
    return [
        Check("format", ["-m", "ruff", "format", "--check", *PYTHON_FILES]),
        Check("lint", ["-m", "ruff", "check", *PYTHON_FILES]),
        Check("types", ["-m", "mypy", *PYTHON_FILES]),
        Check("import contracts", [str(Path(sys.executable).with_name("lint-imports"))]),
        Check("migrations", [manage, "makemigrations", "--check", "--dry-run"]),
        Check("settings", [manage, "check", "--deploy", "--fail-level", "WARNING"]),
    ]


def run_checks(supervisor: Supervisor, *, static: bool, everything: bool) -> int:
    """Run them, then the tests unless `static`; returns the exit status, 1 if anything failed."""
    with tempfile.TemporaryDirectory(prefix="hub-check-") as logs:
        failed = [check.name for check in static_checks() if not _passes(supervisor, check, Path(logs))]
    if not static:
        started = time.monotonic()
        with throw_away_servers(supervisor) as settings:
            status = supervisor.run(pytest_program([] if everything else ["-m", "not slow"], settings))
        _tell("tests", started, passed=status == 0)
        failed += ["tests"] if status else []
    sys.stdout.write(f"failed: {', '.join(failed)}\n" if failed else "all passed\n")
    return 1 if failed else 0


def _passes(supervisor: Supervisor, check: Check, logs: Path) -> bool:
    started = time.monotonic()
    log = logs / "output"
    log.unlink(missing_ok=True)
    program = Program(check.name, [sys.executable, *check.words], production_settings(), log=log)
    passed = supervisor.run(program) == 0
    _tell(check.name, started, passed=passed)
    if not passed:
        sys.stdout.write("".join(f"    {line}\n" for line in log.read_text(errors="replace").splitlines()))
    return passed


def _tell(name: str, started: float, *, passed: bool) -> None:
    sys.stdout.write(f"{'✓' if passed else '✗'} {name} ({time.monotonic() - started:.1f} s)\n")
    sys.stdout.flush()


def production_settings() -> dict[str, str]:
    """An environment as a deployment has it, so that Django's deployment checks judge ours. Nothing is connected to."""
    place = "127.0.0.1:9/integrationhub"
    return {
        **os.environ,
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_ALGORITHM": "HS256",
        "JWT_SECRET": secrets.token_urlsafe(48),
        "KEY_ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "PLATFORM_TENANT_ID": "01900000-0000-7000-8000-000000000001",
        "PUBLIC_BASE_URL": "https://hub.example.com",
        "ALLOWED_HOSTS": "hub.example.com",
        "SECURE_SSL_REDIRECT": "true",
        "SANDBOX_ENABLED": "false",
        "DATABASE_OWNER_URL": f"postgres://hub_owner:unused@{place}",
        "DATABASE_URL": f"postgres://hub_app:unused@{place}",
        "DATABASE_SYSTEM_URL": f"postgres://hub_system:unused@{place}",
        "REDIS_URL": "redis://127.0.0.1:9/0",
    }
