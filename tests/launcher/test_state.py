import json
import socket
import stat
from pathlib import Path

import jwt
import pytest

from integrationhub.launcher.__main__ import main
from integrationhub.launcher.ports import free_port, is_free
from integrationhub.launcher.state import State
from integrationhub.launcher.trouble import Trouble

TENANT = "01975b9e-3c4d-7aaa-8bbb-0123456789ab"


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.open()
    return state


def test_secrets_are_made_once_and_kept_private(state: State) -> None:
    assert state.secrets() == State(state.directory).secrets()
    assert stat.S_IMODE((state.directory / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.directory.stat().st_mode) == 0o700


def test_two_installations_share_no_secret(state: State, tmp_path: Path) -> None:
    other = State(tmp_path / "other")
    other.open()
    same = set(state.secrets().values()) & set(other.secrets().values())
    assert same == {"admin"}


def test_one_state_directory_serves_one_hub(state: State) -> None:
    with pytest.raises(Trouble, match="is running on"):
        State(state.directory).open()


def test_a_start_that_is_refused_changes_nothing_of_the_running_hub(state: State) -> None:
    state.directory.chmod(0o711)
    with pytest.raises(Trouble):
        State(state.directory).open()
    assert stat.S_IMODE(state.directory.stat().st_mode) == 0o711


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    State(tmp_path).open()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_server_keeps_its_port_until_someone_else_takes_it(state: State) -> None:
    port = state.port("valkey")
    assert state.port("valkey") == port
    with socket.create_server(("127.0.0.1", port)):
        assert state.port("valkey") != port


def test_a_stale_up_json_does_not_pass_for_a_running_hub(state: State) -> None:
    other = State(state.directory.with_name("stopped"))
    other.directory.mkdir()
    other.up_json.write_text("{}")
    other.open()
    assert not other.up_json.exists()


def test_a_damaged_file_is_named(state: State) -> None:
    (state.directory / "secrets.json").write_text("{")
    with pytest.raises(Trouble, match=r"secrets\.json"):
        state.secrets()


def test_a_free_port_lies_below_those_of_outgoing_connections() -> None:
    port = free_port()
    assert is_free(port)
    assert 20000 <= port < 32000


def test_a_token_is_the_only_word_on_stdout(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JWT_SECRET", raising=False)
    monkeypatch.setenv("JWT_ISSUER", "the-issuer")
    monkeypatch.setenv("JWT_AUDIENCE", "the-audience")
    secret = state.secrets()["JWT_SECRET"]
    assert run_hub(monkeypatch, "token", "--role", "organizer", "--ttl", "2h", "--state", str(state.directory)) == 0
    (token,) = capsys.readouterr().out.split()
    claims = jwt.decode(token, secret, algorithms=["HS256"], issuer="the-issuer", audience="the-audience")
    assert claims["tenant_id"] == TENANT
    assert claims["roles"] == ["organizer"]
    assert claims["exp"] - claims["iat"] == 7200
    assert claims["sub"]


def test_a_hub_with_an_issuer_of_its_own_makes_no_tokens(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state.secrets()
    monkeypatch.setenv("JWT_ALGORITHM", "RS256")
    assert run_hub(monkeypatch, "token", "--role", "user", "--state", str(state.directory)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "come from its issuer" in captured.err


def test_a_token_needs_a_hub_that_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_hub(monkeypatch, "token", "--role", "user", "--state", str(tmp_path / "none")) == 1
    assert "./hub up" in capsys.readouterr().err


def test_a_file_of_ours_is_never_seen_half_written(state: State) -> None:
    state.secrets()
    assert json.loads((state.directory / "secrets.json").read_text())["HUB_ADMIN_USERNAME"] == "admin"
    assert not list(state.directory.glob("*.new"))


def run_hub(monkeypatch: pytest.MonkeyPatch, command: str, *options: str) -> int:
    monkeypatch.setattr("sys.argv", ["hub", command, "--tenant", TENANT, *options])
    return main()
