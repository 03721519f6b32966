"""Callers as they are out there: many at once, each with a key of its own, asking again until they know."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.launcher.running import RunningHub

PATIENCE_SECONDS = 100.0
# Whoever got one of these knows no more than before, and asks again under the same key.
ASK_AGAIN = (409, 429, 500, 502, 504)


@dataclass(frozen=True)
class Final:
    """The answer that ended a caller's asking."""

    status: int
    body: dict[str, Any]

    @property
    def execution_id(self) -> str:
        said = self.body["details"]["executionId"] if self.status >= 400 else self.body["execution_id"]
        return str(said)


@dataclass
class Crowd:
    """Sends one text for each number under a key of its own; `answers` maps the text to what came of it."""

    hub: Callable[[], RunningHub]
    tenant_id: str
    token: str
    name: str
    later: bool = False
    answers: dict[str, Final] = field(default_factory=dict)
    repeats: int = 0
    _asking: list[Future[None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, how_many: int, *, callers: int) -> None:
        """Begin to send, by so many callers at once."""
        pool = ThreadPoolExecutor(callers)
        self._asking = [pool.submit(self._ask_until_known, number) for number in range(how_many)]
        pool.shutdown(wait=False)

    def knows_all(self) -> bool:
        """Whether every caller knows what came of each text; raises what went wrong for one of them."""
        for ended in (asking for asking in self._asking if asking.done()):
            ended.result()
        return all(asking.done() for asking in self._asking)

    def _ask_until_known(self, number: int) -> None:
        text = f"{self.name} {number}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (final := self._ask(text)) is None:
            assert time.monotonic() < deadline, f"nobody says what came of {text!r}"
            with self._lock:
                self.repeats += 1
            time.sleep(0.5)
        with self._lock:
            self.answers[text] = final

    def _ask(self, text: str) -> Final | None:
        try:
            status, body = call(
                self.hub(),
                self.token,
                "/execute",
                {
                    "category": "messaging",
                    "intent": "message.send.sms",
                    "payload": {"to": "+14155552671", "text": text},
                    "options": {"timeout_ms": 5000},
                },
                {"Idempotency-Key": text} | ({"Prefer": "respond-async"} if self.later else {}),
            )
        except (OSError, HTTPException, ValueError):
            return None  # Whoever answered was killed, or nobody listens yet.
        if status in ASK_AGAIN or (status == 503 and "executionId" not in body.get("details", {})):
            return None
        return Final(status, body)


def call(hub: RunningHub, token: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """One POST; raises OSError or HTTPException when no answer comes."""
    up = hub.up()
    request = Request(  # noqa: S310 - our own address
        f"{up['base_url']}/integrationhub/v1{path}",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "x-tenant-id": up["tenant_id"],
            "Content-Type": "application/json",
            **headers,
        },
    )
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
            return answer.status, json.loads(answer.read())
    except HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())
