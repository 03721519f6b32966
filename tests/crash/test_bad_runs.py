"""A run that kills its worker, and one that never ends: both end, and keep nobody else waiting for long."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.db.models.functions import Now
from redis import Redis

from integrationhub.celery import app
from integrationhub.execution import settling, tasks
from integrationhub.execution.models import Execution
from integrationhub.outbox import relay
from tests.launcher.running import eventually
from tests.make import LATER, Api

# Not beside a whole hub: two cores are few for both.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]

WORKER = [sys.executable, "-m", "celery", "--app", "tests.crash.poisoned_worker", "worker", "--concurrency", "1"]


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message carries the limits that its sender knows of the task, and they come before the worker's own."""
    task = app.tasks[tasks.run_execution.name]
    monkeypatch.setattr(task, "soft_time_limit", 5)
    monkeypatch.setattr(task, "time_limit", 8)


@pytest.fixture
def worker(api: Api, short_limits: None) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker with one process, of a tenant that has a provider."""
    assert api.post("/marketplace/integrations/sandbox_primary/install", {}).status_code == 201
    with Redis.from_url(settings.CELERY_BROKER_URL) as broker:
        broker.delete("execute", "unacked", "unacked_index")
    process = subprocess.Popen([*WORKER, "--queues", "execute"])
    yield process
    process.kill()
    process.wait()


def queue(api: Api, text: str) -> UUID:
    payload = {"to": "+15005550006", "text": text}
    body = {"category": "messaging", "intent": "message.send.sms", "payload": payload}
    answer = api.post("/execute", body, headers=LATER)
    assert answer.status_code == 202, answer.content
    return UUID(answer.json()["execution_id"])


def row(execution_id: UUID) -> Execution:
    return Execution.objects.using("system").get(pk=execution_id)


def lapse(execution_id: UUID) -> None:
    """As if the lease of a dead worker had passed. The worker settles too, so either may queue it again."""
    Execution.objects.using("system").filter(pk=execution_id).update(lease_until=Now() - timedelta(seconds=1))
    settling.settle()


def is_taken(execution_id: UUID, takes: int) -> bool:
    """Relay what waits by now, whoever queued it, and tell whether a worker has taken it so often."""
    relay.relay_batch()
    return row(execution_id).takes == takes


def test_a_run_that_kills_every_worker_is_dead_after_five_and_the_others_are_done(
    api: Api, worker: subprocess.Popen[bytes]
) -> None:
    poison = queue(api, "poison")
    for take in range(1, settling.MOST_TAKES + 1):
        eventually(lambda take=take: is_taken(poison, take), seconds=20, what=f"take {take}")
        lapse(poison)
    # The worker may be the one that settles it, just now.
    eventually(lambda: row(poison).status == "failed", seconds=20, what="the end of it")
    dead = row(poison)
    assert (dead.status, dead.takes, dead.dead_at is not None) == ("failed", 5, True)
    assert dead.sealed_payload is not None
    good = queue(api, "hello")
    relay.relay_batch()
    eventually(lambda: row(good).status == "succeeded", seconds=20, what="the next run")
    assert row(poison).takes == 5
    assert worker.poll() is None


def test_a_run_that_hangs_is_ended_and_the_next_one_is_done(api: Api, worker: subprocess.Popen[bytes]) -> None:
    hanging = queue(api, "hang")
    eventually(lambda: is_taken(hanging, 1), seconds=20, what="a worker to take it")
    good = queue(api, "hello")
    relay.relay_batch()
    eventually(lambda: row(good).status == "succeeded", seconds=20, what="the run behind the one that hangs")
    assert (row(hanging).status, row(hanging).takes) == ("running", 1)
    lapse(hanging)
    eventually(lambda: is_taken(hanging, 2), seconds=20, what="another try of the one that hung")
    assert worker.poll() is None
