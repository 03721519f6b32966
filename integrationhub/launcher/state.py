"""The state directory: secrets made once, ports remembered, logs, and `up.json`, which says what is running."""

import base64
import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import Any
from uuid import uuid4

from integrationhub.launcher.ports import free_port, is_free
from integrationhub.launcher.trouble import Trouble


class State:
    """One installation's directory, private to its user."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.logs = directory / "logs"
        self.up_json = directory / "up.json"
        self._secrets_file = directory / "secrets.json"
        self._ports_file = directory / "ports.json"
        self._lock: int | None = None

    def open(self) -> None:
        """Make the directory and hold it for this process; raises Trouble when another hub runs on it."""
        try:
            # A mode is given only to what is made here: the directory may be a running hub's, or hold other things.
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Trouble(f"cannot write the state directory: {error}. Choose another one with --state.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(
                f"a hub is running on {self.directory} already: stop it, or give this one another --state and --port."
            ) from None
        self.up_json.unlink(missing_ok=True)

    def secrets(self) -> dict[str, str]:
        """This installation's secrets, made at the first call: settings by their names, and servers' passwords."""
        kept = _read(self._secrets_file)
        made = {name: value for name, value in new_secrets().items() if name not in kept}
        if made:
            kept |= made
            write_private(self._secrets_file, kept)
        return kept

    def has_secrets(self) -> bool:
        return self._secrets_file.exists()

    def known_secrets(self) -> dict[str, str]:
        """The secrets of an installation that has been started; raises Trouble where there is none."""
        if not self.has_secrets():
            raise Trouble(f"no hub has been started on {self.directory} yet: run `./hub up`, or name its --state.")
        return _read(self._secrets_file)

    def port(self, server: str) -> int:
        """The port of one of our servers: the one it had last time, unless someone else took it."""
        ports = _read(self._ports_file)
        if server not in ports or not is_free(ports[server]):
            ports[server] = free_port()
            write_private(self._ports_file, ports)
        return int(ports[server])

    def known_port(self, server: str) -> int | None:
        """The port that the server had last time, if it was ever started."""
        return _read(self._ports_file).get(server)

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def put_logs_aside(self) -> None:
        """Keep the logs of the run before this one as `<name>.log.1`, and none older."""
        for log in self.logs.glob("*.log"):
            log.replace(log.with_suffix(".log.1"))


def write_private(path: Path, content: object) -> None:
    """Replace a JSON file at once, so that no reader sees half of it; only its owner may read it."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    draft.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Trouble(f"cannot read {path}: {error}") from error
    return content


def new_secrets() -> dict[str, str]:
    """The secrets of a new installation."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SECRET": secrets.token_urlsafe(48),
        "KEY_ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "METRICS_TOKEN": secrets.token_urlsafe(48),
        "PLATFORM_TENANT_ID": str(uuid4()),
        "HUB_ADMIN_USERNAME": "admin",
        "HUB_ADMIN_PASSWORD": secrets.token_urlsafe(18),
        "owner_password": secrets.token_urlsafe(24),
        "app_password": secrets.token_urlsafe(24),
        "system_password": secrets.token_urlsafe(24),
        "valkey_password": secrets.token_urlsafe(24),
    }
