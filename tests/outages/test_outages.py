"""The servers beneath a busy hub die and come back: what was promised is kept, and the rest is said in time."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.crash.scene import Scene, a_scene
from tests.launcher.running import eventually
from tests.outages.load import Load, Said, back, database_answers, execute, redis_answers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]

EXECUTION_FAILED = "ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED"
BACK_WITHIN_SECONDS = 5.0
ENDED_WITHIN_SECONDS = 60.0
STATUSES = "SELECT id::text, status FROM execution_execution"
REASONS = "SELECT id::text, error_code, error_message FROM execution_execution WHERE status = 'failed'"
UNKNOWN = "SELECT count(*) FROM execution_execution WHERE status = 'unknown'"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with a_scene() as scene:
        yield scene


@pytest.fixture(autouse=True)
def settled(scene: Scene) -> None:
    """Each begins on a hub that is up and has nothing left to do."""
    eventually(scene.is_settled, seconds=ENDED_WITHIN_SECONDS, what="everything settled")


def kill(scene: Scene, name: str) -> int:
    pid = scene.pid(name)
    os.kill(pid, signal.SIGKILL)
    return pid


def assert_promises_are_kept(scene: Scene, said: list[Said]) -> str:
    """Every 200 has its row and its one message; every 202 has its row, which ends."""
    began = time.monotonic()
    eventually(scene.is_settled, seconds=ENDED_WITHIN_SECONDS, what="the end of all executions")
    seconds = time.monotonic() - began
    statuses = dict(scene.rows(STATUSES))
    reasons = {failed: told for failed, *told in scene.rows(REASONS)}
    accepted = scene.twilio.accepted + scene.vonage.accepted
    for each in said:
        assert accepted[each.text] <= 1, f"{each.text} was sent twice"
        if each.status == 200:
            assert statuses[each.body["execution_id"]] == "succeeded"
            assert accepted[each.text] == 1
        if each.status == 202:
            final = statuses[each.body["execution_id"]]
            assert final in ("succeeded", "failed", "unknown")
            assert final == "unknown" or accepted[each.text] == (final == "succeeded")
            assert final != "failed" or all(reasons[each.body["execution_id"]]), "It failed, and nobody says why."
    ends = Counter(statuses[each.body["execution_id"]] for each in said if each.is_promise)
    return f"{dict(Counter(each.status for each in said))} -> {dict(ends)}, all ended {seconds:.1f} s after the load"


def assert_nothing_failed(scene: Scene, said: list[Said]) -> None:
    """What was promised was delivered."""
    statuses = dict(scene.rows(STATUSES))
    assert {statuses[each.body["execution_id"]] for each in said if each.is_promise} == {"succeeded"}


def assert_said_properly(failed: list[Said]) -> None:
    """503 EXECUTION_FAILED with Retry-After; none where a repeat could send twice."""
    for each in failed:
        assert (each.status, each.body.get("code")) == (503, EXECUTION_FAILED), each
        if each.body["details"].get("reason") == "outcome_unknown":
            assert each.body["retryable"] is False
        else:
            assert int(each.headers["Retry-After"]) == each.body["retryAfter"] >= 1


def test_a_killed_redis_fails_no_execution(scene: Scene) -> None:
    with Load(scene.hub, "redis") as load:
        time.sleep(1.5)
        returned = back(redis_answers, scene.hub, "valkey", kill(scene, "valkey"))
        time.sleep(max(0.0, returned + BACK_WITHIN_SECONDS + 1.0 - time.monotonic()))
    assert load.failed() == []
    shared = [each for each in load.said if each.began > returned + BACK_WITHIN_SECONDS]
    limits = [each.headers["X-RateLimit-Limit"] for each in shared]
    # One of two processes that had not found it again would say its own share each second time.
    assert limits.count("6000") > 0.8 * len(limits), Counter(limits)
    print("redis killed:", assert_promises_are_kept(scene, load.said))
    assert_nothing_failed(scene, load.said)


def test_a_killed_database_loses_no_promise_and_is_used_again_at_once(scene: Scene) -> None:
    with Load(scene.hub, "database") as load:
        time.sleep(1.5)
        killed = time.monotonic()
        returned = back(database_answers, scene.hub, "postgres", kill(scene, "postgres"))
        time.sleep(max(0.0, returned + BACK_WITHIN_SECONDS + 1.0 - time.monotonic()))
    again = min(each.ended for each in load.said if each.is_promise and each.ended > returned)
    failed = load.failed()
    last = max((each.ended for each in failed), default=killed)
    longest = max(each.seconds for each in load.said)
    open_connections = scene.rows(CONNECTIONS)[0][0]
    print(
        f"database killed: away {returned - killed:.1f} s, first answer {again - returned:.2f} s after its return, "
        f"last failure {last - returned:.2f} s, longest answer {longest:.1f} s, {open_connections} connections;",
        assert_promises_are_kept(scene, load.said),
    )
    assert_said_properly(failed)
    assert again - returned < BACK_WITHIN_SECONDS
    assert last - returned < BACK_WITHIN_SECONDS
    assert longest < 9.0
    assert open_connections < 60


def test_after_an_idle_restart_of_the_database_no_request_fails(scene: Scene) -> None:
    with Load(scene.hub, "warm", callers=16):
        time.sleep(1.5)
    eventually(scene.is_settled, seconds=ENDED_WITHIN_SECONDS, what="everything settled")
    back(database_answers, scene.hub, "postgres", kill(scene, "postgres"))
    up = scene.hub.up()
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda number: execute(up, f"idle {number}"), range(100)))
    assert [each for each in said if each.status != 200] == []
    print(f"idle restart: 0 of 100 failed, the longest took {max(each.seconds for each in said):.2f} s")


def test_a_locked_table_is_said_in_two_seconds_and_nothing_piles_up(scene: Scene) -> None:
    up = scene.hub.up()
    # As many callers as one tenant may have at once in a process of eight threads, the last quarter of which is for
    # others: none waits for its turn, however the kernel spreads them.
    with psycopg.connect(up["database_url"]) as careless, Load(scene.hub, "locked", callers=6) as load:
        time.sleep(0.5)
        careless.execute("LOCK TABLE execution_execution IN SHARE ROW EXCLUSIVE MODE")
        locked = time.monotonic()
        time.sleep(5)
        careless.rollback()
        released = time.monotonic()
        time.sleep(2.5)
    during = [each for each in load.said if locked < each.began < released - 2.0]
    assert during
    assert_said_properly(load.failed())
    longest = max(each.seconds for each in during)
    late = [each for each in load.said if each.began > released + 1.0]
    assert late
    assert [each for each in late if not each.is_promise] == []
    print(f"table locked: longest answer {longest:.1f} s;", assert_promises_are_kept(scene, load.said))
    assert longest < 3.9, "Somebody has waited for the lock twice."


def test_fifty_at_once_with_one_key_act_once_over_two_processes(scene: Scene) -> None:
    up = scene.hub.up()
    with ThreadPoolExecutor(50) as pool:
        said = list(pool.map(lambda _: execute(up, "race 1", key="one key"), range(50)))
    assert {each.status for each in said} <= {200, 409}
    assert len({each.body["execution_id"] for each in said if each.status == 200}) == 1
    assert scene.twilio.accepted["race 1"] + scene.vonage.accepted["race 1"] == 1
    assert execute(up, "race 1", key="one key").headers["Idempotent-Replayed"] == "true"


def assert_only_refused(scene: Scene, load: Load, unknown_before: int) -> None:
    """Who failed met a closed door: no answer of a server, nothing was sent, and nothing is unknown."""
    failed = load.failed()
    accepted = scene.twilio.accepted + scene.vonage.accepted
    assert [each for each in failed if each.status != 0 or accepted[each.text]] == []
    assert_promises_are_kept(scene, load.said)
    assert_nothing_failed(scene, load.said)
    assert scene.rows(UNKNOWN) == [(unknown_before,)]


def test_a_web_server_that_is_told_to_end_does_what_it_has_taken(scene: Scene) -> None:
    unknown = scene.rows(UNKNOWN)[0][0]
    with Load(scene.hub, "deployed") as load:
        time.sleep(1.5)
        before = scene.pid("web")
        os.kill(before, signal.SIGTERM)
        eventually(lambda: scene.pid("web") != before, seconds=15, what="another web server")
        returned = time.monotonic()
        eventually(lambda: any(said.began > returned and said.is_promise for said in load.said), seconds=15, what="use")
    assert_only_refused(scene, load, unknown)


def test_a_hub_that_is_told_to_end_does_what_it_has_taken_and_the_next_one_the_rest(scene: Scene) -> None:
    unknown = scene.rows(UNKNOWN)[0][0]
    with Load(scene.hub, "ended") as load:
        time.sleep(1.5)
        scene.hub.process.send_signal(signal.SIGTERM)
        time.sleep(1.0)
    scene.start_again()
    assert_only_refused(scene, load, unknown)
