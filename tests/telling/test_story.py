"""A receiver that is away for a while, and a worker, a relay and a broker that are killed: every event arrives."""

import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from integrationhub.launcher.postgres import OWNER
from tests.crash.crowd import call
from tests.launcher.running import RunningHub, eventually, state_directory
from tests.make import sms
from tests.telling.receiving import Receiver, a_receiver

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]

EXECUTIONS, THINGS, STEPS = 60, 8, 25
PATIENCE_SECONDS = 60
# After how many requests to the slow receiver.
KILLS = {15: "worker", 60: "relay", 110: "valkey", 160: "worker"}
HAPPENS = """
INSERT INTO outbox_event (id, tenant_id, kind, data)
SELECT hub_new_id(), %s, 'template.synced', jsonb_build_object('name', 'thing-' || thing, 'step', %s::int)
FROM generate_series(1, %s) AS thing
"""


@pytest.fixture
def hub() -> Iterator[RunningHub]:
    with state_directory() as state:
        hub = RunningHub(state, OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8")
        try:
            hub.wait_until_up()
            eventually(lambda: "ready" in hub.said(), seconds=30, what="the end of the hub's own story")
            yield hub
        finally:
            hub.stop()


def run(hub: RunningHub, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:
    """By the role that sees every tenant's rows."""
    secret = json.loads((hub.state / "secrets.json").read_text())["owner_password"]
    place = hub.up()["database_url"].rpartition("@")[2]
    with psycopg.connect(f"postgres://{OWNER}:{secret}@{place}") as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", [hub.up()["tenant_id"]])
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def statuses(hub: RunningHub) -> dict[str, int]:
    return dict(run(hub, "SELECT status, count(*) FROM telling_delivery GROUP BY status"))  # type: ignore[arg-type]


def an_hour_later(hub: RunningHub) -> None:
    """Leases lapse, and what waits for its next try is due."""
    run(hub, "UPDATE telling_delivery SET due_at = due_at - interval '1 hour' WHERE status = 'pending'")
    run(hub, "UPDATE telling_subscription SET free_at = free_at - interval '1 hour'")


def subscribe(hub: RunningHub, receiver: Receiver, **more: Any) -> str:
    body = {"url": receiver.url, "event_types": ["execution.*", "template.*"], **more}
    status, made = call(hub, hub.up()["tokens"]["organizer"], "/webhook-subscriptions", body, {})
    assert status == 201, made
    return str(made["secret"])


def kill(hub: RunningHub, victim: str) -> None:
    os.kill(int(hub.up()["pids"][victim]), signal.SIGKILL)


def happen(hub: RunningHub) -> set[str]:
    """Executions, of which every other one falls back, and what happens to a few things step by step; returns the ids
    of the executions."""
    token, numbers = hub.up()["tokens"]["user"], ("+15005550006", "+15005550503")
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda number: call(hub, token, "/execute", sms(numbers[number % 2]), {}), range(EXECUTIONS))
        )
    for step in range(STEPS):
        run(hub, HAPPENS, [hub.up()["tenant_id"], step, THINGS])
    return {body["execution_id"] for status, body in answers if status == 200}


def expected(executions: set[str]) -> int:
    return len(executions) + EXECUTIONS // 2 + THINGS * STEPS


def test_every_event_arrives_whoever_dies_and_in_order_where_that_is_asked_for(hub: RunningHub) -> None:
    with a_receiver() as plain, a_receiver() as ordered:
        secrets = {id(plain): subscribe(hub, plain), id(ordered): subscribe(hub, ordered, ordered=True)}
        plain.says(503)  # It is away for a while.
        ordered.answer = lambda received: (time.sleep(0.2), (200, {}))[1]  # And this one is slow.
        with ThreadPoolExecutor(1) as meanwhile:
            happening = meanwhile.submit(happen, hub)
            for count, victim in KILLS.items():
                eventually(
                    lambda count=count: len(ordered.received) >= count,
                    seconds=PATIENCE_SECONDS,
                    what=f"{count} requests",
                )
                kill(hub, victim)
                time.sleep(1)
                an_hour_later(hub)
            executions = happening.result(PATIENCE_SECONDS)
        assert len(executions) == EXECUTIONS
        assert plain.received, "it was asked while it was away"
        plain.says(200)
        an_hour_later(hub)

        def is_over() -> bool:
            run(
                hub,
                "UPDATE telling_delivery SET due_at = now() WHERE status = 'pending' AND due_at > now()"
                " + interval '31 seconds'",
            )  # What waits for its next try, but not what is under way.
            return set(statuses(hub)) == {"delivered"}

        seconds = eventually(is_over, seconds=PATIENCE_SECONDS, what="the last delivery")
        total = expected(executions)
        print(
            f"{statuses(hub)}, {len(plain.received)} and {len(ordered.received)} requests for {total} events each, "
            f"{seconds:.1f} s after the receiver was back"
        )
        assert statuses(hub) == {"delivered": 2 * total}
        for receiver in (plain, ordered):
            for received in receiver.received:
                received.verified_by(secrets[id(receiver)])
            assert len({received.id for received in receiver.received}) == total
        assert_in_order(ordered, executions)


def assert_in_order(receiver: Receiver, executions: set[str]) -> None:
    """Of each thing every step comes first after the one before it; a repeat is the last one's."""
    steps, kinds = defaultdict(list), defaultdict(list)
    for received in receiver.received:
        told = received.told
        if told["type"] == "template.synced":
            steps[told["data"]["name"]].append(told["data"]["step"])
        else:
            kinds[told["data"]["execution_id"]].append(told["type"])
    assert len(steps) == THINGS
    for found in steps.values():
        assert list(dict.fromkeys(found)) == list(range(STEPS))
        assert found == sorted(found), "a step came after a later one"
    assert set(kinds) == executions
    assert all(found[0] == "execution.succeeded" for found in kinds.values())
