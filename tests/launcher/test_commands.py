"""The commands that end by themselves, and a hub on servers that are not its own."""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.launcher.running import HUB, RunningHub, clean_environment, eventually, state_directory, tagged_processes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]


def hub(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = clean_environment(**environment)
    return subprocess.run([HUB, *words], env=settings, capture_output=True, text=True, timeout=180, check=False)


def test_the_demo_falls_back_and_leaves_nothing_running() -> None:
    with state_directory() as state:
        demo = hub("demo", "--state", str(state))
        assert demo.returncode == 0, demo.stderr
        assert "├─ 1 sandbox_primary    failed     503" in demo.stdout
        assert "└─ 2 sandbox_secondary  succeeded" in demo.stdout
        assert "\033[" not in demo.stdout
        assert "curl" not in demo.stdout, "That hub is gone when it could be pasted."
        assert "`./hub up` starts one that stays" in demo.stderr.splitlines()[-1]
        eventually(lambda: tagged_processes(state) == [], seconds=5, what="the end of every child")
        stopped = hub("doctor", "--state", str(state))
        assert stopped.returncode == 1
        assert "DATABASE_URL: no connection to 127.0.0.1" in stopped.stdout
        assert "./hub up" in stopped.stderr


def test_the_doctor_says_first_when_there_is_no_hub_to_examine(tmp_path: Path) -> None:
    examined = hub("doctor", "--state", str(tmp_path / "none"))
    assert examined.returncode == 1
    assert f"no hub has been started on {tmp_path}/none" in examined.stderr.splitlines()[0]


def test_the_doctor_judges_a_deployments_environment_without_a_word(tmp_path: Path) -> None:
    examined = hub("doctor", "--state", str(tmp_path / "none"), DATABASE_URL="postgres://hub_app:x@127.0.0.1:1/hub")
    assert "hub:" not in examined.stderr


def test_a_demo_that_cannot_fall_back_fails() -> None:
    with state_directory() as state:
        demo = hub("demo", "--state", str(state), SANDBOX_ENABLED="false")
        assert demo.returncode == 1
        eventually(lambda: tagged_processes(state) == [], seconds=5, what="the end of every child")


@pytest.mark.parametrize(
    ("words", "status"), [(["tests/launcher/test_story.py"], 0), (["tests/launcher/nowhere.py"], 4)]
)
def test_a_test_run_ends_with_pytests_status_and_leaves_no_server(words: list[str], status: int) -> None:
    before = set(throw_away_directories())
    finished = hub("test", "-q", "-p", "no:cacheprovider", *words)
    assert finished.returncode == status, finished.stdout + finished.stderr
    assert set(throw_away_directories()) <= before


def throw_away_directories() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("hub-test-*"))


@pytest.fixture
def outside_database() -> Iterator[str]:
    """A superuser's URL naming a database that does not exist yet, on a server that is not the hub's."""
    owner = urlsplit(os.environ["DATABASE_OWNER_URL"])
    name = f"{owner.path.lstrip('/')}_outside"
    yield owner._replace(path=f"/{name}").geturl()
    suffix = hashlib.sha256(f"/{name}".encode()).hexdigest()[:8]
    with psycopg.connect(owner._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        for role in ("app", "system"):
            connection.execute(f'DROP ROLE IF EXISTS "hub_{role}_{suffix}"')


def test_servers_that_the_environment_names_are_used_and_left_alone(outside_database: str) -> None:
    with state_directory() as state:
        running = RunningHub(state, DATABASE_OWNER_URL=outside_database, REDIS_URL=os.environ["REDIS_URL"])
        try:
            running.wait_until_up()
            assert set(running.up()["pids"]) == {"web", "relay", "worker", "beat"}
            assert running.up()["redis_url"] == os.environ["REDIS_URL"]
            assert urlsplit(running.up()["database_url"]).path == urlsplit(outside_database).path
            eventually(lambda: running.get("/readyz") == 200, seconds=15, what="an answer of the API")
        finally:
            running.stop()
        eventually(lambda: running.leftovers() == [], seconds=5, what="the end of every child")
