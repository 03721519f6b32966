"""Ten thousand webhooks, of which three in ten come again, while the web server is killed three times and the database
once."""

import hashlib
import hmac
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
import pytest

from integrationhub.launcher.postgres import OWNER
from tests.launcher.running import RunningHub, eventually, state_directory
from tests.webhooks.posting import PHONE, SECRET, messages

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]

WEBHOOKS, UNIQUE, SENDERS = 10_000, 7_000, 8
PATIENCE_SECONDS = 60
# After how many webhooks that were answered for the first time.
KILLS = {1500: "web", 3000: "web", 4500: "web", 6000: "postgres"}


@pytest.fixture
def hub() -> Iterator[RunningHub]:
    with state_directory() as state:
        hub = RunningHub(
            state, META_WEBHOOK_APP_SECRET=SECRET, META_WHATSAPP_PHONE_NUMBER_ID=PHONE, WORKER_CONCURRENCY="2"
        )
        try:
            hub.wait_until_up()
            yield hub
        finally:
            hub.stop()


class Meta:
    """Sends each webhook until it is answered by 200, as Meta does; `answered` are those that were."""

    def __init__(self, hub: RunningHub) -> None:
        self.address = hub.up()["base_url"] + "/webhooks/whatsapp"
        self.answered: set[str] = set()
        self.repeats = 0
        self._lock = threading.Lock()

    def send(self, wamid: str) -> None:
        body = messages(wamid)
        given = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": given, "Content-Type": "application/json"}
        request = Request(self.address, body, headers)  # noqa: S310 - our own address
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._is_taken(request):
            assert time.monotonic() < deadline, f"{wamid} is never taken"
            with self._lock:
                self.repeats += 1
            time.sleep(0.1)
        with self._lock:
            self.answered.add(wamid)

    def _is_taken(self, request: Request) -> bool:
        try:
            with urlopen(request, timeout=10) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)
        except (HTTPError, OSError, HTTPException):
            return False  # Whoever would have answered was killed.


def rows(hub: RunningHub, statement: str) -> list[tuple[str, int, str]]:
    secret = json.loads((hub.state / "secrets.json").read_text())["owner_password"]
    place = hub.up()["database_url"].rpartition("@")[2]
    with psycopg.connect(f"postgres://{OWNER}:{secret}@{place}") as connection:
        return connection.execute(statement.encode()).fetchall()


def test_whatever_was_acknowledged_is_there_once(hub: RunningHub) -> None:
    wamids = [f"wamid.{number}" for number in range(UNIQUE)]
    wamids += random.sample(wamids, WEBHOOKS - UNIQUE)
    random.shuffle(wamids)
    meta = Meta(hub)
    with ThreadPoolExecutor(SENDERS) as pool:
        sent = [pool.submit(meta.send, wamid) for wamid in wamids]
        for answered, victim in KILLS.items():
            eventually(
                lambda wanted=answered: len(meta.answered) >= wanted, seconds=PATIENCE_SECONDS, what=f"{answered}"
            )
            os.kill(int(hub.up()["pids"][victim]), signal.SIGKILL)  # Of the web server, its workers die with it.
        for each in sent:
            each.result(PATIENCE_SECONDS)
    assert meta.repeats, "nobody noticed that it was killed"
    waiting = "SELECT count(*) FROM webhooks_post WHERE status <> 'processed'"
    seconds = eventually(lambda: rows(hub, waiting) == [(0,)], seconds=PATIENCE_SECONDS, what="all processed")
    stored = rows(hub, "SELECT reference, jsonb_array_length(attempts), status FROM webhooks_webhookevent")
    print(f"{len(wamids)} sent, {meta.repeats} repeats of Meta, {len(stored)} events, {seconds:.1f} s after the last")
    assert meta.answered - {reference for reference, _, _ in stored} == set(), "acknowledged and lost"
    assert sorted(reference for reference, _, _ in stored) == sorted(set(wamids)), "stored twice"
    assert {(attempts, status) for _, attempts, status in stored} == {(1, "processed")}, "handled twice"
    [(repeats,)] = rows(hub, "SELECT sum(repeats) FROM webhooks_post")
    assert repeats >= WEBHOOKS - UNIQUE
