"""kill -9 in the middle of the work: no message goes out twice, none without a row, and all is settled in a minute."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.crash.crowd import Crowd
from tests.crash.scene import (
    CHANCE,
    POOL_PROCESSES,
    WEB_THREADS,
    WEB_WORKERS,
    Scene,
    Tally,
    a_scene,
    children_of,
    kill_along,
)
from tests.launcher.running import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]

EXECUTIONS = 300
CALLERS = 16
KILLS = 8
SETTLED_WITHIN_SECONDS = 120


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with a_scene() as scene:
        yield scene


def run(scene: Scene, crowd: Crowd, kill: Callable[[], None], how_many: int = EXECUTIONS) -> int:
    """Send all, kill meanwhile, wait until all is settled, compare what everybody knows; returns how many are unknown.

    What a kill may leave unknown is what was in a call at that moment, and only in the process that died.
    """
    crowd.send(how_many, callers=CALLERS)
    kill()
    seconds = eventually(
        lambda: crowd.knows_all() and scene.is_settled(), seconds=SETTLED_WITHIN_SECONDS, what="everything settled"
    )
    tally = Tally(scene, crowd)
    print(tally.told(seconds))
    tally.assert_nothing_lost_nothing_twice(how_many)
    assert any(key == "vonage_sms" for _, key in tally.sent), "The chain has never fallen back."
    return tally.unknown


def worked_off(scene: Scene, crowd: Crowd) -> Callable[[], int]:
    """How many of the crowd's texts have reached a carrier."""

    def count() -> int:
        known = [*scene.twilio.accepted, *scene.vonage.accepted]
        return sum(text.startswith(f"{crowd.name} ") for text in known)

    return count


def test_killed_web_processes(scene: Scene) -> None:
    def worker() -> int:
        return CHANCE.choice(children_of(scene.pid("web")))

    def master() -> int:
        return scene.pid("web")

    victims = [worker] * (KILLS - 1)
    victims.insert(KILLS // 2, master)
    crowd = scene.crowd("web")
    unknown = run(scene, crowd, lambda: kill_along(crowd, victims, every=30, progress=lambda: len(crowd.answers)))
    assert 0 < unknown <= (KILLS - 1) * WEB_THREADS + WEB_WORKERS * WEB_THREADS


def test_killed_workers(scene: Scene) -> None:
    def pool_process() -> int:
        return CHANCE.choice(children_of(scene.pid("worker")))

    def whole_worker() -> int:
        return scene.pid("worker")

    crowd = scene.crowd("worker", later=True)
    victims = [pool_process, pool_process, whole_worker, pool_process, pool_process, whole_worker, pool_process]
    victims.append(whole_worker)
    unknown = run(scene, crowd, lambda: kill_along(crowd, victims, every=25, progress=worked_off(scene, crowd)))
    assert 0 < unknown <= victims.count(pool_process) + victims.count(whole_worker) * POOL_PROCESSES


def test_killed_relays(scene: Scene) -> None:
    crowd = scene.crowd("relay", later=True)
    victims = [lambda: scene.pid("relay")] * KILLS
    assert run(scene, crowd, lambda: kill_along(crowd, victims, every=25, progress=lambda: len(crowd.answers))) == 0


def test_runs_under_way_when_the_broker_is_killed_are_done_to_their_end(scene: Scene) -> None:
    crowd = scene.crowd("broker", later=True)
    victims = [lambda: scene.pid("valkey")] * 2
    done = worked_off(scene, crowd)
    assert run(scene, crowd, lambda: kill_along(crowd, victims, every=30, progress=done), how_many=100) == 0


def test_a_killed_supervisor_and_a_new_hub_on_what_is_left(scene: Scene) -> None:
    now, later = scene.crowd("now"), scene.crowd("later", later=True)
    later.send(EXECUTIONS // 2, callers=CALLERS // 2)
    now.send(EXECUTIONS // 2, callers=CALLERS // 2)
    eventually(lambda: len(now.answers) > 40 and len(later.answers) > 40, seconds=60, what="the middle of the work")
    os.kill(scene.hub.process.pid, signal.SIGKILL)
    scene.start_again()
    seconds = eventually(
        lambda: now.knows_all() and later.knows_all() and scene.is_settled(),
        seconds=SETTLED_WITHIN_SECONDS,
        what="everything settled",
    )
    unknown = 0
    for crowd in (now, later):
        tally = Tally(scene, crowd)
        print(tally.told(seconds))
        tally.assert_nothing_lost_nothing_twice(EXECUTIONS // 2)
        unknown += tally.unknown
    assert 0 < unknown <= CALLERS // 2 + POOL_PROCESSES
