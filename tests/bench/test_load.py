"""The load and the stub, against each other."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench import cpu, load
from bench.stub import ACCOUNT, REFUSED_ACCOUNT, VONAGE_PATH, twilio_path
from integrationhub.launcher.ports import free_port
from tests.launcher.running import eventually


@pytest.fixture(scope="module")
def stub() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.stub", str(port)])
    eventually(lambda: is_listening(port), seconds=5, what="the stub")
    yield port
    process.kill()
    process.wait()


def is_listening(port: int) -> bool:
    try:
        return ask(port, "GET", "/counts")[0] == 200
    except OSError:
        return False


def ask(port: int, method: str, path: str) -> tuple[int, dict[str, int]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    connection.request(method, path, body=b"To=1" if method == "POST" else None)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def test_whatever_was_sent_is_answered_and_was_counted(stub: int) -> None:
    before = ask(stub, "GET", "/counts")[1].get(VONAGE_PATH, 0)
    target = load.Target(stub, load.post(VONAGE_PATH, {}, b"{}"), b"message-id")
    answers = load.drive(target, clients=3, seconds=1.0)
    assert len(answers.latencies) > 3 * load.REQUESTS_PER_CONNECTION, "No connection was renewed."
    assert ask(stub, "GET", "/counts")[1][VONAGE_PATH] - before == len(answers.latencies)
    assert answers.quantile(0.5) >= 1.0, "The stub takes a millisecond."


def test_the_account_decides_whether_twilio_is_busy(stub: int) -> None:
    statuses = [ask(stub, "POST", twilio_path(account))[0] for account in (ACCOUNT, REFUSED_ACCOUNT)]
    assert statuses == [201, 503]


@pytest.mark.parametrize(("path", "proof"), [(twilio_path(REFUSED_ACCOUNT), b"code"), (VONAGE_PATH, b"other words")])
def test_an_answer_that_is_not_the_right_one_ends_the_run(stub: int, path: str, proof: bytes) -> None:
    with pytest.raises(load.WrongAnswer):
        load.drive(load.Target(stub, load.post(path, {}, b"{}"), proof), clients=1, seconds=0.1)


def test_cpu_time_holds_that_of_children_that_have_ended() -> None:
    before, began = cpu.seconds_of(os.getpid()), time.process_time()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"], check=True)
    own = time.process_time() - began
    assert cpu.seconds_of(os.getpid()) - before - own >= 0.17
