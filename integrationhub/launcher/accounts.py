"""As whom PostgreSQL runs. It refuses to run as root, so root lends it a less powerful account that exists already."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        return self._can(["test", "-x", str(directory)])

    def can_run(self, program: Path) -> bool:
        return self._can([str(program), "--version"])

    def _can(self, argv: list[str]) -> bool:
        try:
            finished = subprocess.run(
                argv, user=self.uid, group=self.gid, extra_groups=[], cwd="/", capture_output=True, check=False
            )
        except PermissionError:
            return False
        return finished.returncode == 0


def server_account() -> Account | None:
    """The account for PostgreSQL: `postgres`, else `nobody`; None where we are an ordinary user ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    return None
