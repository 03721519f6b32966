"""A file as large as it may be, to a real node and back, through a hub as it is started: what it holds in memory."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from tests.launcher.running import RunningHub, state_directory

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ipfs")]

MIB = 1024 * 1024
LARGE = os.urandom(MIB) * 100
MOST_GROWTH = 40 * MIB


class Scene:
    def __init__(self, hub: RunningHub) -> None:
        self.up = hub.up()

    def ask(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> urllib3.BaseHTTPResponse:
        headers = {"Authorization": f"Bearer {self.up['tokens']['organizer']}", "x-tenant-id": self.up["tenant_id"]}
        headers |= {"Content-Type": content_type} if content_type else {}
        url = f"{self.up['base_url']}/integrationhub/v1{path}"
        return urllib3.request(method, url, body=body, headers=headers, timeout=90, retries=False)

    def upload(self, content: bytes) -> urllib3.BaseHTTPResponse:
        form = {"file": ("a.bin", content, "application/octet-stream")}
        return self.ask("POST", "/storage/ipfs", *urllib3.encode_multipart_formdata(form))

    def peak(self) -> int:
        """The most memory that a web process has ever had, in bytes."""
        pid = self.up["pids"]["web"]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        statuses = [Path(f"/proc/{child}/status").read_text().splitlines() for child in children]
        return max(int(line.split()[1]) * 1024 for lines in statuses for line in lines if line.startswith("VmHWM:"))


@pytest.fixture(scope="module")
def scene(ipfs_node: str) -> Iterator[Scene]:
    with state_directory() as state:
        hub = RunningHub(state, WEB_WORKERS="1", WORKER_CONCURRENCY="1", IPFS_API_URL=ipfs_node)
        try:
            yield Scene(hub.wait_until_up())
        finally:
            hub.stop()


def test_a_file_goes_and_comes_without_being_held(scene: Scene) -> None:
    assert scene.upload(b"first").status == 201
    before = scene.peak()
    answer = scene.upload(LARGE)
    assert answer.status == 201, answer.data
    kept = answer.json()
    assert (kept["size"], kept["verified"]) == (len(LARGE), True)
    sent = scene.peak() - before
    before = scene.peak()
    read = scene.ask("GET", f"/storage/ipfs/{kept['cid']}")
    assert read.status == 200
    assert hashlib.sha256(read.data).digest() == hashlib.sha256(LARGE).digest()
    came = scene.peak() - before
    print(f"{len(LARGE) // MIB} MiB: +{sent / MIB:.1f} MiB there, +{came / MIB:.1f} MiB back")
    assert max(sent, came) < MOST_GROWTH


def test_a_file_that_is_longer_is_refused_by_its_size(scene: Scene) -> None:
    answer = scene.upload(LARGE + b"!")
    assert (answer.status, answer.json()["details"]["reason"]) == (413, "body_too_large")
