"""Files as large as they may be, through a hub as it is started: what it holds in memory, and what a worker fetches."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import urllib3

from tests import s3
from tests.launcher.running import RunningHub, eventually, state_directory
from tests.meta import graph_server
from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from tests.whatsapp.talking import CUSTOMER

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]

MIB = 1024 * 1024
LARGE = b"%PDF-1.7" + b"0" * (100 * MIB - 8)
SMALL = b"%PDF-1.7"
MOST_GROWTH = 40 * MIB


class Scene:
    """One tenant of a running hub, whose number is its own and whose customer has just written."""

    def __init__(self, hub: RunningHub, meta: GraphServer, bucket: s3.Bucket) -> None:
        self.hub, self.meta, self.bucket, self.up = hub, meta, bucket, hub.up()
        bind = {"provider_key": numbers.KEY, "credentials": numbers.credentials(meta)}
        assert self.post("/credentials/bind", json.dumps(bind).encode())[0] == 201
        self.insert("whatsapp_conversation", customer=CUSTOMER.removeprefix("+"), last_message_at="now")

    def post(self, path: str, body: bytes = b"", content_type: str = "application/json") -> tuple[int, Any]:
        headers = {
            "Authorization": f"Bearer {self.up['tokens']['admin']}",
            "x-tenant-id": self.up["tenant_id"],
            "Content-Type": content_type,
        }
        url = f"{self.up['base_url']}/integrationhub/v1{path}"
        answer = urllib3.request("POST", url, body=body, headers=headers, timeout=90, retries=False)
        return answer.status, answer.json()

    def send(self, content: bytes) -> None:
        form = {"to": CUSTOMER, "media_type": "document", "file": ("a.pdf", content, "application/pdf")}
        status, said = self.post("/whatsapp/media/send", *urllib3.encode_multipart_formdata(form))
        assert status == 202, said

    def insert(self, table: str, **values: Any) -> None:
        """A row of the tenant, as a customer's message makes it."""
        known = {"id": str(uuid4()), "tenant_id": self.up["tenant_id"], "phone_number_id": self.meta.phone_number_id}
        row = {**known, **values}
        places = ", ".join(["%s"] * len(row))
        with self.tenants_role() as database:
            database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", list(row.values()))

    def is_stored(self, media_id: str) -> bool:
        with self.tenants_role() as database:
            [(state,)] = database.execute("SELECT state FROM whatsapp_medium WHERE media_id = %s", [media_id])
        return bool(state == "stored")

    @contextmanager
    def tenants_role(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.up["database_url"]) as database:
            database.execute("SELECT set_config('app.tenant_id', %s, false)", [self.up["tenant_id"]])
            yield database

    def peak(self, name: str) -> int:
        """The most memory that a process below this one has ever had, in bytes."""
        pid = self.up["pids"][name]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert children
        return max(_peak(child) for child in children)


def _peak(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with graph_server.running() as meta, s3.running() as endpoint, state_directory() as state:
        bucket = s3.Bucket(endpoint)
        settings = {
            "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
            "WEB_WORKERS": "1",
            "WORKER_CONCURRENCY": "1",
            "META_GRAPH_BASE_URL": meta.base_url,
            "META_MEDIA_HOSTS": meta.media_netloc,
            **bucket.settings(),
        }
        hub = RunningHub(state, **settings)
        try:
            yield Scene(hub.wait_until_up(), meta, bucket)
        finally:
            hub.stop()


def test_a_file_is_downloaded_without_being_held(scene: Scene) -> None:
    small, large = (scene.meta.store(content, "application/pdf") for content in (SMALL, LARGE))
    assert scene.post(f"/whatsapp/media/{small}/download")[0] == 200
    before = scene.peak("web")
    status, said = scene.post(f"/whatsapp/media/{large}/download")
    assert (status, said.get("size")) == (200, len(LARGE)), said
    assert said["sha256"] == hashlib.sha256(LARGE).hexdigest()
    assert scene.bucket.content(f"whatsapp/{scene.up['tenant_id']}/{said['id']}") == LARGE
    growth = scene.peak("web") - before
    print(f"download of {len(LARGE) // MIB} MiB: +{growth / MIB:.1f} MiB")
    assert growth < MOST_GROWTH


def test_a_file_is_uploaded_without_being_held(scene: Scene) -> None:
    scene.send(SMALL)
    before = scene.peak("web")
    # The server need not take the form apart: that it came whole is seen below.
    scene.meta.store(b"", "application/pdf", "4490709327384033")
    scene.meta.fail(status=200, on="POST .*/media$", body={"id": "4490709327384033"})
    scene.send(LARGE)
    assert scene.meta.sent[-1]["document"] == {"id": "4490709327384033", "filename": "a.pdf"}
    [asked] = [asked for asked in scene.meta.asked if len(asked.body) > len(LARGE)]
    assert LARGE in asked.body
    growth = scene.peak("web") - before
    print(f"upload of {len(LARGE) // MIB} MiB: +{growth / MIB:.1f} MiB")
    assert growth < MOST_GROWTH


def test_a_worker_fetches_what_is_due_without_holding_it(scene: Scene) -> None:
    """By the schedule, the outbox, the relay and the broker."""
    peaks = []
    for content in (SMALL, LARGE):
        media_id = scene.meta.store(content, "application/pdf")
        fresh = {
            "content_type": "",
            "filename": "",
            "sha256": "",
            "attempts": 0,
            "retries": 0,
            "state": "pending",
            "due_at": "now",
        }
        scene.insert("whatsapp_medium", media_id=media_id, message_id="wamid.1", kind="document", **fresh)
        eventually(lambda: scene.is_stored(media_id), seconds=75, what="the file in the store")  # noqa: B023  Called now.
        peaks.append(scene.peak("worker"))
    print(f"fetch of {len(LARGE) // MIB} MiB: +{(peaks[1] - peaks[0]) / MIB:.1f} MiB")
    assert peaks[1] - peaks[0] < MOST_GROWTH
