"""Each import contract is seen broken when it is broken on purpose: a contract that cannot break keeps nothing."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("integrationhub", "providers", "credentials", "marketplace", "oauth", "templates", "whatsapp")
LINT = Path(sys.executable).with_name("lint-imports")


def report(tree: Path) -> str:
    """What lint-imports prints of a tree."""
    return subprocess.run([LINT, "--no-cache"], cwd=tree, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_tree_keeps_every_contract(copy: Path) -> None:
    assert "0 broken" in report(copy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("contract", "module", "line"),
    [
        ("Apps depend downwards only", "credentials/vault.py", "import marketplace.quotas"),
        ("Apps depend downwards only", "integrationhub/core/ids.py", "import providers.models"),
        (
            "The catalogue, the errors and the adapter contract",
            "integrationhub/core/catalogue.py",
            "import django.http",
        ),
        ("Adapters translate", "providers/adapters/sandbox_primary.py", "import providers.models"),
        ("Only the URL conf reaches a view", "marketplace/installing.py", "import marketplace.views"),
        ("Only the outbound client", "providers/adapters/sandbox_primary.py", "import requests"),
        ("Only the outbound client", "integrationhub/core/signing_keys.py", "import socket"),
        ("Only the outbound client", "integrationhub/core/signing_keys.py", "import ssl"),
        ("Only the outbound client", "providers/adapters/sandbox_primary.py", "import smtplib"),
        ("Apprise is imported by its own process", "providers/apprise/service.py", "import apprise"),
        (
            "Nobody imports the process of apprise",
            "providers/adapters/sandbox_primary.py",
            "import providers.apprise.child",
        ),
        ("Nobody imports tasks", "integrationhub/execution/executor.py", "import integrationhub.execution.tasks"),
        (
            "The launcher starts the hub from outside",
            "integrationhub/launcher/state.py",
            "import integrationhub.core.ids",
        ),
    ],
)
def test_a_contract_breaks_when_it_is_broken(copy: Path, contract: str, module: str, line: str) -> None:
    path = copy / module
    path.write_text(f"{path.read_text()}\n{line}\n")
    broken = [said for said in report(copy).splitlines() if " BROKEN" in said]
    assert any(said.startswith(contract) for said in broken), broken


def opens_connections(source: str) -> bool:
    """Whether a module imports what import contracts cannot tell from `urllib.parse` or `http.HTTPStatus`."""
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {
        f"{getattr(node, 'module', None) or ''}.{alias.name}".strip(".") for node in imports for alias in node.names
    }
    return any(name.startswith(("urllib.request", "http.client", "django.core.mail")) for name in names)


def test_only_the_launcher_and_the_outbound_client_open_connections_by_themselves() -> None:
    exempt = {"launcher", "outbound"}
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if not exempt & {*path.parts}]
    assert [str(path) for path in modules if opens_connections(path.read_text())] == []


@pytest.mark.parametrize(
    "line",
    [
        "from urllib import request",
        "import urllib.request",
        "from http.client import HTTPSConnection",
        "from django.core.mail import send_mail",
    ],
)
def test_a_module_that_opens_connections_is_noticed(line: str) -> None:
    assert opens_connections(line)
