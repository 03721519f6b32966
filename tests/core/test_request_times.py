"""Several web processes count requests, and whichever is asked tells the sum of them all."""

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.crash.scene import children_of
from tests.launcher.running import eventually
from tests.serving import Served, serving

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-some-length-for-prometheus-4711"
WORKERS = 3


class Counted(Served):
    """One whose requests are counted, and asked how many."""

    def get(self, path: str) -> str:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", headers=headers), timeout=10) as answer:
            return answer.read().decode()

    def probe(self, times: int) -> None:
        with ThreadPoolExecutor(16) as callers:
            list(callers.map(lambda _: self.get("/healthz"), range(times)))

    def counted(self) -> float:
        """How many probes have been answered, as `/metrics` says."""
        labels = {"route": "/healthz", "method": "GET", "status": "2xx"}
        families = text_string_to_metric_families(self.get("/metrics"))
        samples = [sample for family in families for sample in family.samples]
        found = [each for each in samples if each.name == "hub_http_request_seconds_count" and each.labels == labels]
        return sum(each.value for each in found)

    def workers(self) -> list[int]:
        return children_of(self.process.pid)

    def directory(self) -> Path:
        """Where the processes put what they count: it stands in the memory map of one that has."""
        for _ in range(100):
            for worker in self.workers():
                if found := re.search(r"(/\S+/hub-metrics-[^/]+)/", Path(f"/proc/{worker}/maps").read_text()):
                    return Path(found[1])
            self.get("/healthz")
        raise AssertionError("No worker counts anything.")

    def is_up(self) -> bool:
        try:
            return self.get("/healthz") != ""
        except OSError:
            return False


@pytest.fixture
def served() -> Iterator[Counted]:
    with serving(WEB_WORKERS=str(WORKERS), METRICS_TOKEN=TOKEN) as started:
        yield Counted(started.port, started.process)


def counting(served: Counted) -> int:
    """How many processes have counted something."""
    return len(list(served.directory().glob("histogram_*.db")))


def test_the_sum_of_all_processes_is_told_and_survives_the_death_of_one(served: Counted) -> None:
    sent = 0
    while counting(served) < 2 and sent < 2000:
        served.probe(50)
        sent += 50
    before, at_work = served.counted(), counting(served)
    assert at_work >= 2, "One process has answered everything."
    served.probe(100)
    assert {served.counted() for _ in range(2 * WORKERS)} == {before + 100}

    victim = served.workers()[0]
    os.kill(victim, signal.SIGKILL)
    eventually(
        lambda: victim not in served.workers() and len(served.workers()) == WORKERS, seconds=15, what="another worker"
    )
    eventually(served.is_up, seconds=15, what="an answer")
    assert served.counted() >= before + 100


def test_nothing_is_left_of_it_when_the_server_ends(served: Counted) -> None:
    directory = served.directory()
    assert directory.is_dir()
    assert directory.stat().st_mode & 0o077 == 0
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(15)
    assert not directory.exists()


def test_new_workers_of_a_reload_count_on(served: Counted) -> None:
    served.probe(50)
    before, old = served.counted(), set(served.workers())
    served.process.send_signal(signal.SIGHUP)
    eventually(
        lambda: not old & set(served.workers()) and len(served.workers()) == WORKERS, seconds=30, what="new workers"
    )
    eventually(served.is_up, seconds=15, what="an answer")
    assert served.counted() >= before
    served.probe(50)
    assert served.counted() >= before + 50
