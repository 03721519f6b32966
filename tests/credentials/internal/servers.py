"""The hub under gunicorn behind a real nginx, which runs the configuration that `docs/operating.md` gives."""

import ipaddress
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from integrationhub.core.exception_handler import JSON
from integrationhub.launcher.ports import free_port
from tests.credentials.internal.authority import BILLING_SUBJECT, BILLING_URI, SERVER, Authority
from tests.credentials.internal.gateway import SECRET
from tests.serving import serving

ROOT = Path(__file__).resolve().parents[3]
# nginx connects from here, so that who comes past it has another address.
NGINX_ADDRESS, OUTSIDE_ADDRESS = "127.0.0.2", "127.0.0.1"
# The settings of a hub that trusts `behind_nginx`.
TRUST = {
    "MTLS_TRUSTED_PROXY_CIDRS": f"{NGINX_ADDRESS}/32",
    "MTLS_GATEWAY_SECRETS": SECRET,
    "MTLS_ALLOWED_IDENTITIES": f"{BILLING_URI};{BILLING_SUBJECT}",
    "MTLS_HEADER_FORMAT": "nginx",
    # Whose X-Forwarded-* gunicorn believes; none of them changes where a connection came from.
    "FORWARDED_ALLOW_IPS": "*",
}
# One process under our own user, all of whose files lie in the directory that it is given.
FRAME = """
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    proxy_bind {address};
    {server}
}}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    is_json: bool


@dataclass(frozen=True, slots=True)
class Stage:
    nginx_port: int
    hub_port: int
    authority_file: Path

    def ask(
        self, method: str, path: str, *headers: tuple[str, str], by: Sequence[Path] = (), body: bytes = b""
    ) -> Answer:
        """Through nginx, showing the certificate `by`, if any; the path goes out as it is written."""
        context = ssl.create_default_context(cafile=self.authority_file)
        if by:
            context.load_cert_chain(*by)
        connection = HTTPSConnection("localhost", self.nginx_port, context=context, timeout=20)
        return _asked(connection, method, path, headers, body)

    def ask_hub(self, method: str, path: str, *headers: tuple[str, str], address: str, body: bytes = b"") -> Answer:
        """Past nginx, from this address."""
        connection = HTTPConnection("localhost", self.hub_port, timeout=20, source_address=(address, 0))
        return _asked(connection, method, path, headers, body)


def _asked(
    connection: HTTPConnection, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes
) -> Answer:
    try:
        connection.putrequest(method, path)
        for name, value in (("Content-Type", JSON), ("Content-Length", str(len(body))), *headers):
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        said = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, said, answer.read(), said.get("content-type") == JSON)
    finally:
        connection.close()


@contextmanager
def hub(**settings: str) -> Iterator[int]:
    """Gives its port."""
    with serving(WEB_THREADS="4", **settings) as served:
        yield served.port


@contextmanager
def behind_nginx(directory: Path, authority: Authority, hub_port: int) -> Iterator[Stage]:
    """A hub with the settings `TRUST` behind nginx, whose clients this authority signs for."""
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    authority.issue("CN=localhost", names=names, usage=SERVER).written(directory, "server")
    certificate, _ = authority.own.written(directory, "services-ca")
    (directory / "gateway-secret.conf").write_text(f'proxy_set_header X-Gateway-Auth "{SECRET}";\n')
    with nginx(directory, hub_port) as nginx_port:
        yield Stage(nginx_port, hub_port, certificate)


@contextmanager
def nginx(directory: Path, hub_port: int) -> Iterator[int]:
    """nginx with the block of `docs/operating.md`, its files in `directory`; gives its port."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.fail(
            "These tests need nginx, which no wheel brings: `apt-get install nginx-light`, or your system's own."
        )
    port = free_port()
    [server] = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs/operating.md").read_text(), re.S)
    for theirs, ours in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("server_name hub.example.com;", "server_name localhost;"),
        ("/etc/nginx/hub/", f"{directory}/"),
        ("http://127.0.0.1:8000;", f"http://127.0.0.1:{hub_port};"),
    ):
        assert theirs in server
        server = server.replace(theirs, ours)
    (directory / "nginx.conf").write_text(FRAME.format(address=NGINX_ADDRESS, server=server))
    with _running([program, "-p", f"{directory}/", "-c", "nginx.conf", "-e", "stderr"], port):
        yield port


@contextmanager
def _running(words: list[str], port: int, **options: Any) -> Iterator[None]:
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, **options)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{process.args} did not come up.")
