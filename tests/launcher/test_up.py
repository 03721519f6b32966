"""`./hub up` as an operator and an unlucky machine meet it."""

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.scene import children_of
from tests.launcher.running import HUB, RunningHub, a_hub, clean_environment, eventually, state_directory

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole hubs")]


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    with a_hub() as running:
        yield running


def test_it_tells_the_story_and_then_what_to_paste(hub: RunningHub) -> None:
    eventually(lambda: "ready" in hub.said(), seconds=30, what="the end of the story")
    story, paste = hub.told().split("API docs")
    assert "sandbox_secondary  succeeded" in story
    assert f"curl -s {hub.up()['base_url']}/integrationhub/v1/execute" in paste


@pytest.mark.parametrize("name", ["postgres", "valkey", "web", "relay", "worker", "beat"])
def test_a_killed_child_is_back_with_a_new_pid(hub: RunningHub, name: str) -> None:
    # A child may be on its way back from what the test before did to its servers.
    eventually(lambda: is_alive(hub.up()["pids"][name]), seconds=15, what=name)
    before = hub.up()["pids"][name]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: hub.up()["pids"][name] != before, seconds=15, what=f"another {name}")
    eventually(lambda: answers(hub), seconds=15, what="an answer of the API")


def test_a_port_that_was_announced_is_not_lost_while_the_servers_start() -> None:
    with state_directory() as state:
        hub = RunningHub(state)
        try:
            eventually(lambda: "starting on" in hub.said(), seconds=30, what="the announcement")
            port = int(hub.said().split("starting on http://127.0.0.1:")[1].split(",")[0])
            with pytest.raises(OSError, match="in use"):
                socket.create_server(("127.0.0.1", port))
            # Whoever comes early waits, and is answered by the hub.
            assert hub.get("/healthz", f"http://127.0.0.1:{port}") == 200
        finally:
            hub.stop()


def test_who_calls_while_the_web_process_is_started_again_waits_and_is_answered(hub: RunningHub) -> None:
    eventually(lambda: answers(hub), seconds=15, what="an answer of the API")
    web = hub.up()["pids"]["web"]
    workers = children_of(web)
    os.kill(web, signal.SIGKILL)
    # They end with their master, and with what they have taken.
    eventually(lambda: not any(map(is_alive, workers)), seconds=5, what="the end of the workers")
    assert hub.get("/healthz") == 200


def test_a_killed_server_comes_back_on_its_port(hub: RunningHub) -> None:
    urls = [hub.up()[name] for name in ("database_url", "redis_url")]
    before = hub.up()["pids"]["valkey"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: hub.up()["pids"]["valkey"] != before, seconds=15, what="another Valkey")
    assert [hub.up()[name] for name in ("database_url", "redis_url")] == urls


def test_only_its_user_may_read_what_is_running(hub: RunningHub) -> None:
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in hub.state.glob("*.json")}
    assert modes == {"up.json": 0o600, "secrets.json": 0o600, "ports.json": 0o600}


def test_no_password_stands_on_a_command_line(hub: RunningHub) -> None:
    passwords = [hub.up()[name].split(":")[2].split("@")[0] for name in ("database_url", "redis_url")]
    lines = " ".join(hub.leftovers())
    assert "postgres" in lines
    assert not [password for password in passwords if password in lines]


def test_a_second_hub_on_the_same_state_is_refused(hub: RunningHub) -> None:
    refused = run("up", "--port", "0", "--state", str(hub.state))
    assert refused.returncode == 1
    assert "running on" in refused.stderr
    # Whoever is started from now on finds the directory as the running hub needs it.
    before = hub.up()["pids"]["postgres"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: hub.up()["pids"]["postgres"] != before, seconds=15, what="another PostgreSQL")
    eventually(lambda: answers(hub), seconds=15, what="an answer of the API")


def test_a_port_in_use_is_named_with_the_way_out(hub: RunningHub) -> None:
    port = hub.up()["base_url"].rpartition(":")[2]
    refused = run("up", "--port", port, "--state", f"{hub.state}/another")
    assert refused.returncode == 1
    assert f"port {port} is in use" in refused.stderr
    assert "--port" in refused.stderr


def test_a_second_state_and_port_make_a_second_hub(hub: RunningHub) -> None:
    with a_hub() as second:
        eventually(lambda: answers(second), seconds=15, what="an answer of the API")
        assert second.up()["tenant_id"] != hub.up()["tenant_id"]
        assert not set(second.up()["pids"].values()) & set(hub.up()["pids"].values())


def test_a_token_of_the_state_opens_the_api(hub: RunningHub) -> None:
    tenant = hub.up()["tenant_id"]
    token = run("token", "--tenant", tenant, "--role", "user", "--state", str(hub.state)).stdout.strip()
    headers = {"Authorization": f"Bearer {token}", "x-tenant-id": tenant}
    assert hub.get("/integrationhub/v1/providers", **headers) == 200


def test_the_doctor_finds_nothing_wrong_with_a_running_hub(hub: RunningHub) -> None:
    eventually(lambda: answers(hub), seconds=15, what="an answer of the API")
    examined = run("doctor", "--state", str(hub.state))
    assert examined.returncode == 0, examined.stdout
    assert "✗" not in examined.stdout


def test_the_doctor_names_a_wrong_setting_and_its_fix(hub: RunningHub) -> None:
    examined = run("doctor", "--state", str(hub.state), SECRET_KEY="short")
    assert examined.returncode == 1
    assert "SECRET_KEY is shorter than 32 bytes: set SECRET_KEY to" in examined.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_within_fifteen_seconds(number: signal.Signals) -> None:
    with a_hub() as hub:
        hub.process.send_signal(number)
        assert hub.process.wait(timeout=15) == 0
        eventually(lambda: hub.leftovers() == [], seconds=5, what="the end of every child")
        assert not (hub.state / "up.json").exists()


def test_nothing_outlives_a_killed_supervisor_and_the_next_hub_starts() -> None:
    with a_hub() as hub:
        tenant = hub.up()["tenant_id"]
        os.kill(hub.process.pid, signal.SIGKILL)
        hub.process.wait()
        eventually(lambda: hub.leftovers() == [], seconds=5, what="the end of every child")
        again = RunningHub(hub.state).wait_until_up()
        try:
            assert again.up()["tenant_id"] == tenant
        finally:
            again.stop()


def answers(hub: RunningHub) -> bool:
    try:
        return hub.get("/readyz") == 200
    except OSError:
        return False


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = clean_environment(**environment)
    return subprocess.run([HUB, *arguments], env=settings, capture_output=True, text=True, timeout=60, check=False)
