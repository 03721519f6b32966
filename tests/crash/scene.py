"""A hub with two carriers, and what it wrote down afterwards."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import SystemRandom
from typing import Any

import psycopg

from integrationhub.launcher.postgres import OWNER
from tests.crash.crowd import Crowd, call
from tests.launcher.running import RunningHub, eventually, state_directory
from tests.providers.carriers import Asked, CarrierServer, Told, TwilioServer, VonageServer

CHANCE = SystemRandom()
WEB_WORKERS, WEB_THREADS, POOL_PROCESSES = 2, 8, 4
SETTINGS = {
    "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
    "WEB_WORKERS": str(WEB_WORKERS),
    "WEB_THREADS": str(WEB_THREADS),
    "WORKER_CONCURRENCY": str(POOL_PROCESSES),
}
UNSETTLED = "SELECT count(*) FROM execution_execution WHERE status IN ('queued', 'running')"


@dataclass
class Scene:
    """A running hub over Twilio and Vonage. `hub` is another one after `start_again`."""

    state: Path
    hub: RunningHub
    twilio: TwilioServer
    vonage: VonageServer
    settings: dict[str, str]

    def crowd(self, name: str, *, later: bool = False) -> Crowd:
        up = self.hub.up()
        return Crowd(lambda: self.hub, up["tenant_id"], up["tokens"]["admin"], name, later=later)

    def pid(self, name: str) -> int:
        return int(self.hub.up()["pids"][name])

    def start_again(self) -> None:
        """Start a new hub on what the old one left, whose supervisor has ended or was killed."""
        self.hub.process.wait(timeout=20)
        eventually(lambda: self.hub.leftovers() == [], seconds=10, what="the end of every child")
        self.hub.stop()
        self.hub = RunningHub(self.state, **self.settings)
        self.hub.wait_until_up()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the tenant's role reads."""
        up = self.hub.up()
        with psycopg.connect(up["database_url"], connect_timeout=5) as connection:
            connection.execute("SELECT set_config('app.tenant_id', %s, false)", [up["tenant_id"]])
            return connection.execute(statement).fetchall()

    def kept(self, name: str) -> str:
        """One of the secrets that the launcher has made."""
        return str(json.loads((self.state / "secrets.json").read_text())[name])

    def owner_url(self) -> str:
        """The role that sees every tenant's rows."""
        place = self.hub.up()["database_url"].rpartition("@")[2]
        return f"postgres://{OWNER}:{self.kept('owner_password')}@{place}"

    def is_settled(self) -> bool:
        try:
            return self.rows(UNSETTLED) == [(0,)]
        except (psycopg.OperationalError, OSError):
            return False


@contextmanager
def a_scene(**settings: str) -> Iterator[Scene]:
    """`settings` come beside the usual ones."""
    settings = SETTINGS | settings
    with state_directory() as state, TwilioServer() as twilio, VonageServer() as vonage:
        scene = Scene(state, RunningHub(state, **settings), twilio, vonage, settings)
        try:
            scene.hub.wait_until_up()
            eventually(lambda: "ready" in scene.hub.said(), seconds=30, what="the end of the hub's own story")
            _install(scene, "twilio_sms", twilio, priority=1)
            _install(scene, "vonage_sms", vonage, priority=2)
            twilio.answer, vonage.answer = busy_at_times(twilio), slow(vonage)
            yield scene
        finally:
            scene.hub.stop()


def _install(scene: Scene, key: str, carrier: Any, *, priority: int) -> None:
    up = scene.hub.up()
    with psycopg.connect(up["database_url"]) as connection:
        connection.execute(
            "UPDATE providers_provider SET base_url = %s WHERE provider_key = %s", [carrier.base_url, key]
        )
    token = up["tokens"]["admin"]
    body = {"config": carrier.config, "priority": priority}
    status, told = call(scene.hub, token, f"/marketplace/integrations/{key}/install", body, {})
    assert status == 201, told
    secrets = {"provider_key": key, "credentials": carrier.credentials, "verify": False}
    status, told = call(scene.hub, token, "/credentials/bind", secrets, {})
    assert status == 201, told


def slow(carrier: CarrierServer) -> Callable[[Asked], Told]:
    """Accepts, and is slow to say so: who is killed meanwhile does not know that the message is out."""
    return lambda asked: replace(carrier.acceptance(asked), delay=CHANCE.uniform(0.05, 0.3))


def busy_at_times(carrier: CarrierServer) -> Callable[[Asked], Told]:
    """The same, except that every third text is refused by a 503."""
    accepts = slow(carrier)

    def answer(asked: Asked) -> Told:
        last = asked.form["Body"].split()[-1] if asked.method == "POST" else ""
        if not last.isdecimal() or int(last) % 3:
            return accepts(asked)
        return Told(503, {"code": 20503, "message": "Service unavailable"}, delay=CHANCE.uniform(0.05, 0.15))

    return answer


def kill_along(crowd: Crowd, victims: list[Callable[[], int]], *, every: int, progress: Callable[[], int]) -> None:
    """Kill one victim each time that `every` more are done; each names its process at the moment of its death."""
    for position, victim in enumerate(victims, start=1):
        eventually(lambda due=position * every: progress() >= due, seconds=60, what=f"{crowd.name}: kill {position}")
        _kill(victim)


def _kill(victim: Callable[[], int]) -> None:
    """SIGKILL to whom the victim's name stands for, once there is such a process."""

    def killed() -> bool:
        with suppress(OSError, IndexError):
            os.kill(victim(), signal.SIGKILL)
            return True
        return False

    eventually(killed, seconds=15, what="somebody to kill")


def children_of(pid: int) -> list[int]:
    """The live children of a process, by the kernel's own list; OSError when it is gone."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Tally:
    """What the carriers, the callers and the hub say of one crowd's texts."""

    def __init__(self, scene: Scene, crowd: Crowd) -> None:
        self.crowd = crowd
        carriers = {"twilio_sms": scene.twilio, "vonage_sms": scene.vonage}
        self.faults = [fault for carrier in carriers.values() for fault in carrier.faults]
        self.accepted: Counter[str] = Counter()
        self.sent: set[tuple[str, str]] = set()
        for key, carrier in carriers.items():
            self.accepted.update({text: n for text, n in carrier.accepted.items() if self._mine(text)})
            # It may be asked at this moment what became of a message.
            sendings = [asked for asked in list(carrier.asked) if asked.method == "POST"]
            texts = {asked.form.get("Body") or asked.form["text"] for asked in sendings}
            self.sent |= {(text, key) for text in texts if self._mine(text)}
        self.status = {str(each): status for each, status in scene.rows("SELECT id, status FROM execution_execution")}
        tried = scene.rows("SELECT execution_id, provider_key FROM execution_attempt")
        self.tried = {(str(execution), key) for execution, key in tried}

    def _mine(self, text: str) -> bool:
        return text.rpartition(" ")[0] == self.crowd.name

    def assert_nothing_lost_nothing_twice(self, how_many: int) -> None:
        answers = self.crowd.answers
        assert len(answers) == how_many
        assert self.faults == []
        assert [text for text, count in self.accepted.items() if count > 1] == [], "sent twice"
        orphans = [(text, key) for text, key in self.sent if (answers[text].execution_id, key) not in self.tried]
        assert orphans == [], "sent without an attempt's row"
        # What the hub says at the end is what the carriers know; of the unknown it says that nobody knows.
        for text, final in answers.items():
            status = self.status[final.execution_id]
            assert status in ("succeeded", "unknown"), f"{text}: {status}"
            assert status == "unknown" or self.accepted[text] == 1, f"{text}: {status}"
            assert final.status != 200 or self.accepted[text] == 1, f"{text} was answered by 200"

    @property
    def unknown(self) -> int:
        """Of how many texts nobody knows what became of them."""
        return sum(self.status[final.execution_id] == "unknown" for final in self.crowd.answers.values())

    def told(self, seconds: float) -> str:
        ends = Counter(self.status[final.execution_id] for final in self.crowd.answers.values())
        fallbacks = sum(key == "vonage_sms" for _, key in self.sent)
        return (
            f"{self.crowd.name}: {dict(ends)}, {sum(self.accepted.values())} accepted, {fallbacks} fell back, "
            f"{self.crowd.repeats} repeats of callers, all settled {seconds:.1f} s after the last kill"
        )
