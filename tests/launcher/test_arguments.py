from datetime import timedelta
from pathlib import Path

import pytest

from integrationhub.launcher.arguments import parse

TENANT = "01975b9e-3c4d-7aaa-8bbb-0123456789ab"


@pytest.mark.parametrize(
    ("text", "lifetime"),
    [("90s", timedelta(seconds=90)), ("30m", timedelta(minutes=30)), ("24h", timedelta(hours=24))],
)
def test_a_lifetime_is_a_number_and_a_unit(text: str, lifetime: timedelta) -> None:
    assert parse(["token", "--tenant", TENANT, "--role", "user", "--ttl", text]).ttl == lifetime


@pytest.mark.parametrize(
    ("text", "told"), [("25h", "at most 24h"), ("1440m1", "write 90s"), ("0s", "write"), ("1d", "write")]
)
def test_a_lifetime_that_no_token_may_have_is_refused(text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["token", "--tenant", TENANT, "--role", "user", "--ttl", text])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_what_is_not_a_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["up", f"--port={port}"])
    assert "not a port" in capsys.readouterr().err


def test_whatever_follows_test_belongs_to_pytest() -> None:
    words = ["-x", "-k", "ports and not up", "tests/launcher", "--state", "x"]
    assert parse(["test", *words]).pytest_arguments == words


def test_the_state_is_meant_from_where_the_caller_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_CALLED_FROM", "/some/where")
    assert parse(["up", "--state", "mine"]).state == Path("/some/where/mine")


def test_the_state_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_STATE", "/elsewhere")
    assert parse(["doctor"]).state == Path("/elsewhere")


def test_help_has_a_sentence_for_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for command in ("up", "demo", "test", "check", "bench", "token", "doctor"):
        assert f"\n    {command} " in told


def test_a_benchmark_takes_lists() -> None:
    options = parse(["bench", "--clients", "4,32", "--only", "chain,one", "--seconds", "0.5"])
    assert (options.clients, options.only, options.seconds) == ([4, 32], ["chain", "one"], 0.5)


@pytest.mark.parametrize(
    "words",
    [("--clients", "0"), ("--clients", "1,"), ("--only", "two"), ("--seconds", "0"), ("--rounds", "0")],
)
def test_a_benchmark_of_nothing_is_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["bench", *words])
    assert repr(words[1]) in capsys.readouterr().err
