"""Callers who ask once and remember what they were told: nobody repeats, so that every failure is seen."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from itertools import count
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from tests.launcher.running import RunningHub, eventually

# Between two requests of one caller, so that the demo tenant's limit is out of sight.
PAUSE_SECONDS = 0.03
EVERY_FOURTH_LATER = 4


@dataclass(frozen=True)
class Said:
    """One answer; status 0 means that none came. Times are monotonic."""

    text: str
    began: float
    ended: float
    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def is_promise(self) -> bool:
        return self.status in (200, 202)


def execute(up: dict[str, Any], text: str, *, later: bool = False, key: str | None = None) -> Said:
    """Send one text message."""
    body = {
        "category": "messaging",
        "intent": "message.send.sms",
        "payload": {"to": "+14155552671", "text": text},
        "options": {"timeout_ms": 5000},
    }
    request = Request(  # noqa: S310 - our own address
        f"{up['base_url']}/integrationhub/v1/execute",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {up['tokens']['admin']}",
            "x-tenant-id": up["tenant_id"],
            "Content-Type": "application/json",
            **({"Prefer": "respond-async"} if later else {}),
            **({"Idempotency-Key": key} if key else {}),
        },
    )
    began = time.monotonic()
    try:
        status, headers, told = _open(request)
    except (OSError, HTTPException, ValueError) as error:
        status, headers, told = 0, {}, {"error": repr(error)}
    return Said(text, began, time.monotonic(), status, headers, told)


def _open(request: Request) -> tuple[int, dict[str, str], dict[str, Any]]:
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
            return answer.status, dict(answer.headers), json.loads(answer.read())
    except HTTPError as refusal:
        return refusal.code, dict(refusal.headers), json.loads(refusal.read())


class Load:
    """A context in which `callers` keep on executing, each fourth time for later; `said` holds what they heard."""

    def __init__(self, hub: RunningHub, name: str, callers: int = 8) -> None:
        self.said: list[Said] = []
        self._up, self._name, self._callers = hub.up(), name, callers
        self._numbers, self._ended = count(), threading.Event()
        self._pool = ThreadPoolExecutor(callers)

    def __enter__(self) -> Self:
        for _ in range(self._callers):
            self._pool.submit(self._keep_on)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown()

    def _keep_on(self) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            number = next(self._numbers)
            later = number % EVERY_FOURTH_LATER == 0
            self.said.append(execute(self._up, f"{self._name} {number}", later=later))

    def failed(self) -> list[Said]:
        return [said for said in self.said if not said.is_promise]


def database_answers(up: dict[str, Any]) -> bool:
    try:
        with psycopg.connect(up["database_url"], connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def redis_answers(up: dict[str, Any]) -> bool:
    try:
        with Redis.from_url(up["redis_url"], socket_timeout=1) as redis:
            return bool(redis.ping())
    except (RedisError, OSError):
        return False


def back(answers: Callable[[dict[str, Any]], bool], hub: RunningHub, name: str, before: int) -> float:
    """Wait for another run of a server that was killed, and for its first answer; the moment of it, monotonic."""
    eventually(lambda: hub.up()["pids"][name] != before, seconds=20, what=f"another {name}")
    eventually(lambda: answers(hub.up()), seconds=20, what=f"an answer of {name}")
    return time.monotonic()
