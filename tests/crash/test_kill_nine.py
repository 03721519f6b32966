"""kill -9 in the middle of the work: no message goes out twice, none without a row, and all is settled in a minute."""

from collections.abc import Callable, Iterator

import pytest

from tests.crash.crowd import Crowd
from tests.crash.scene import CHANCE, Scene, Tally, a_scene, children_of, kill_along
from tests.launcher.running import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]

EXECUTIONS = 300
CALLERS = 16
KILLS = 8
SETTLED_WITHIN_SECONDS = 60


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with a_scene() as scene:
        yield scene


def run(scene: Scene, crowd: Crowd, kill: Callable[[], None]) -> str:
    """Send all, kill meanwhile, wait until all is settled, and compare what everybody knows."""
    crowd.send(EXECUTIONS, callers=CALLERS)
    kill()
    seconds = eventually(
        lambda: crowd.knows_all() and scene.is_settled(), seconds=SETTLED_WITHIN_SECONDS, what="everything settled"
    )
    tally = Tally(scene, crowd)
    tally.assert_nothing_lost_nothing_twice(EXECUTIONS)
    assert any(key == "vonage_sms" for _, key in tally.sent), "The chain has never fallen back."
    print(tally.told(seconds))
    return crowd.name


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
    run(scene, crowd, lambda: kill_along(crowd, victims, every=30, progress=lambda: len(crowd.answers)))


def test_killed_workers(scene: Scene) -> None:
    def pool_process() -> int:
        return CHANCE.choice(children_of(scene.pid("worker")))

    def whole_worker() -> int:
        return scene.pid("worker")

    crowd = scene.crowd("worker", later=True)
    victims = [pool_process, pool_process, whole_worker, pool_process, pool_process, whole_worker, pool_process]
    victims.append(whole_worker)
    run(scene, crowd, lambda: kill_along(crowd, victims, every=25, progress=worked_off(scene, crowd)))


def test_killed_relays(scene: Scene) -> None:
    crowd = scene.crowd("relay", later=True)
    victims = [lambda: scene.pid("relay")] * KILLS
    run(scene, crowd, lambda: kill_along(crowd, victims, every=25, progress=lambda: len(crowd.answers)))


def test_runs_under_way_when_the_broker_is_killed_are_done_to_their_end(scene: Scene) -> None:
    crowd = scene.crowd("broker", later=True)
    crowd.send(100, callers=CALLERS)
    kill_along(crowd, [lambda: scene.pid("valkey")] * 2, every=30, progress=worked_off(scene, crowd))
    seconds = eventually(
        lambda: crowd.knows_all() and scene.is_settled(), seconds=SETTLED_WITHIN_SECONDS, what="everything settled"
    )
    tally = Tally(scene, crowd)
    tally.assert_nothing_lost_nothing_twice(100)
    assert {tally.status[final.execution_id] for final in crowd.answers.values()} == {"succeeded"}
    print(tally.told(seconds))


def test_a_killed_supervisor_and_a_new_hub_on_what_is_left(scene: Scene) -> None:
    now, later = scene.crowd("now"), scene.crowd("later", later=True)
    later.send(EXECUTIONS // 2, callers=CALLERS // 2)
    now.send(EXECUTIONS // 2, callers=CALLERS // 2)
    eventually(lambda: len(now.answers) > 40 and len(later.answers) > 40, seconds=60, what="the middle of the work")
    scene.start_again()
    seconds = eventually(
        lambda: now.knows_all() and later.knows_all() and scene.is_settled(),
        seconds=SETTLED_WITHIN_SECONDS,
        what="everything settled",
    )
    for crowd in (now, later):
        tally = Tally(scene, crowd)
        tally.assert_nothing_lost_nothing_twice(EXECUTIONS // 2)
        print(tally.told(seconds))
