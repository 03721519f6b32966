"""The processes in which apprise speaks: few, confined, and ended in time."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import AnswerLost, NotSent
from providers.apprise import children as processes
from providers.apprise.children import Child, Children
from tests.core.hostile import serving
from tests.core.test_outbound_tls import Identity, Provider, identity  # noqa: F401  A fixture of theirs.
from tests.providers.apprise.warming import TAKEN
from tests.providers.misbehaving import MisbehavingServer

SECRET = "hunter2hunter2hunter2hunter2hu"


@pytest.fixture
def pool() -> Iterator[Children]:
    pool = Children()
    yield pool
    pool.end()


def job(server: MisbehavingServer, **more: Any) -> dict[str, Any]:
    return {
        "schema": "pover",
        "arguments": {"user_key": "u" * 30, "token": SECRET},
        "title": "Shipped",
        "body": "On its way.",
        "host": "api.pushover.net",
        "addresses": ["127.0.0.1"],
        "port": int(server.base_url.rsplit(":", 1)[1]),
        "origin": server.base_url,
        **more,
    }


def ask(pool: Children, server: MisbehavingServer, seconds: float = 30.0, **more: Any) -> dict[str, Any]:
    return pool.ask(job(server, **more), Deadline.after(seconds))


def test_one_that_has_imported_apprise_is_used_again(pool: Children) -> None:
    with MisbehavingServer(TAKEN) as server:
        pids = set()
        for _ in range(3):
            assert ask(pool, server)["accepted"] is True
            pids.add(pool._idle[0].pid)
        assert (len(pids), server.hits) == (1, 3)


def test_a_secret_is_in_neither_arguments_nor_environment(pool: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://hub:hunter2@127.0.0.1/hub")
    with MisbehavingServer(TAKEN) as server:
        ask(pool, server)
    process = Path("/proc") / str(pool._idle[0].pid)
    told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert b"child.py" in told
    assert b"hunter2" not in told


def test_there_are_never_more_than_two(pool: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third message waits for one of them within its own deadline, and then was not sent."""
    started: list[Child] = []

    def start() -> Child:
        started.append(Child())
        return started[-1]

    monkeypatch.setattr(processes, "Child", start)
    with ThreadPoolExecutor(2) as threads, MisbehavingServer(None) as server:
        both = [threads.submit(ask, pool, server, 30.0) for _ in range(2)]
        until(lambda: server.hits == 2, 25)
        with pytest.raises(NotSent, match="deadline_exceeded"):
            ask(pool, server, 0.2)
        assert server.hits == 2
        assert not any(each.done() for each in both)
    assert len(started) == 2


def test_one_that_ended_is_replaced(pool: Children) -> None:
    with MisbehavingServer(TAKEN) as server:
        ask(pool, server)
        [child] = pool._idle
        os.kill(child.pid, signal.SIGKILL)
        child._process.wait()
        assert ask(pool, server)["accepted"] is True
        assert pool._idle[0].pid != child.pid


def test_one_that_had_nothing_to_do_for_long_is_replaced(pool: Children) -> None:
    with MisbehavingServer(TAKEN) as server:
        ask(pool, server)
        [child] = pool._idle
        child.used_at -= 61
        ask(pool, server)
        assert child._process.returncode is not None


def test_one_that_ends_while_it_sends_leaves_the_outcome_open(pool: Children) -> None:
    with MisbehavingServer(TAKEN) as quick:
        ask(pool, quick)
    [child] = pool._idle
    with MisbehavingServer(None) as server:
        killer = threading.Thread(target=lambda: until(lambda: server.hits == 1) or os.kill(child.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(AnswerLost, match="connection_lost"):
            ask(pool, server)
        killer.join()


def test_a_child_ends_with_its_parents_pipe(pool: Children) -> None:
    with MisbehavingServer(TAKEN) as server:
        ask(pool, server)
    [child] = pool._idle
    child._stdin.close()
    assert child._process.wait(30) == 0


# --- Where it may go ---


def test_a_plugin_that_dials_another_host_is_refused(pool: Children) -> None:
    with MisbehavingServer(TAKEN) as server:
        said = ask(pool, server, host="api.pushbullet.com")
        assert said == {"accepted": False, "exchanges": [{"lost": "not_allowed", "is_sent": False}]}
        assert server.hits == 0


@pytest.mark.parametrize(("address", "is_reached"), [("127.0.0.1", True), ("192.0.2.1", False)])
def test_a_plugin_with_sockets_of_its_own_is_confined_too(pool: Children, address: str, is_reached: bool) -> None:
    """Apprise speaks IRC over plain sockets; the server is where the plugin is told that it is."""
    with socket.create_server(("127.0.0.1", 0)) as listener, MisbehavingServer(TAKEN) as server:
        ask(pool, server)  # What comes next takes no time to start.
        port = listener.getsockname()[1]
        arguments = {"host": "127.0.0.1", "port": port, "targets": ["#orders"]}
        seconds = 30.0 if is_reached else 3.0  # Nobody answers at the other address.
        threads = ThreadPoolExecutor(1)
        asked = threads.submit(
            ask, pool, server, seconds, schema="irc", arguments=arguments, addresses=[address], port=port
        )
        asked.add_done_callback(lambda _: listener.shutdown(socket.SHUT_RDWR))
        try:
            listener.accept()[0].close()
            reached = True
        except OSError:  # It was over before anybody came.
            reached = False
        asked.exception(timeout=60)
        threads.shutdown()
    assert reached is is_reached


def test_a_datagram_is_not_sent(pool: Children) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, MisbehavingServer(None) as server:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.5)
        port = receiver.getsockname()[1]
        ask(pool, server, schema="rsyslog", arguments={"host": "127.0.0.1", "port": port}, port=port)
        with pytest.raises(TimeoutError):
            receiver.recv(10)


PROBE = """
import os, runpy, socket, subprocess, sys
child = runpy.run_path(sys.argv[1])
confinement = child["Confinement"]()
confinement.enforce()
confinement.addresses, confinement.port = ["127.0.0.1"], int(sys.argv[2])
sockets = [socket.socket() for _ in range(4)]
for name, act in {
    "allowed": lambda: sockets[0].connect(("127.0.0.1", int(sys.argv[2]))),
    "another port": lambda: sockets[1].connect(("127.0.0.1", int(sys.argv[3]))),
    "by name": lambda: sockets[2].connect(("localhost", int(sys.argv[2]))),
    "listening": lambda: sockets[3].bind(("127.0.0.1", 0)),
    "a program": lambda: subprocess.run(["true"]),
    "a shell": lambda: os.system("true"),
}.items():
    try:
        act()
    except PermissionError:
        print(name, "refused")
    else:
        print(name, "done")
"""


def test_nothing_but_the_judged_address_and_port_is_dialled_by_whatever_way() -> None:
    """The confinement itself, asked in a process of the test's own."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [str(each.getsockname()[1]) for each in (one, other)]
        arguments = [sys.executable, "-I", "-c", PROBE, str(processes._PROGRAM), *ports]
        said = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert said == [
        "allowed done",
        *(f"{name} refused" for name in ("another port", "by name", "listening", "a program", "a shell")),
    ]


def test_no_proxy_of_the_environment_is_used(pool: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    with MisbehavingServer(TAKEN) as server, MisbehavingServer(TAKEN) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.base_url)
        assert ask(pool, server)["accepted"] is True
        assert (server.hits, proxy.hits) == (1, 0)


def test_the_host_has_to_be_who_it_says(pool: Children, identity: Identity) -> None:  # noqa: F811
    """By its name, at the address that was judged: no authority says that this server is Pushover's."""
    provider = Provider(identity)
    with serving(provider.talk) as url, MisbehavingServer(None) as server:
        said = ask(pool, server, origin="", port=int(url.rpartition(":")[2]))
    assert said == {"accepted": False, "exchanges": [{"lost": "tls", "is_sent": False}]}
    assert (provider.names, provider.asked) == (["api.pushover.net"], [])


def until(holds: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)
