"""HashiCorp Vault or OpenBao over HTTP: hvac on a session of ours, bounded in time, and its errors in our words."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import hvac
from django.conf import settings
from django.db import connections
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, Unauthorized, VaultDown, VaultError

from credentials.errors import VaultUnavailable, VaultUnreadable
from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import OutboundError, deployment_client, session_over
from integrationhub.core.tenancy import let_go_of_connection

# Over all that one value needs of the vault.
SECONDS = 1.5
# After a call that brought no answer nobody waits for the next one; unless its caller had less time than is fair, and
# says nothing about the vault by running out of it.
PAUSE_SECONDS, FAIR_SECONDS = 5.0, 1.0

T = TypeVar("T")
_deadline: ContextVar[Deadline | None] = ContextVar("vault_deadline", default=None)


class HashicorpClient:
    """Asks the server of the settings. Safe to share between threads.

    Every call raises VaultUnavailable where the server is away, sealed, slow or denies, and VaultUnreadable where it
    says that there is no such thing, or that it does not decrypt. What it said is never passed on: an answer to a batch
    holds keys.
    """

    def __init__(self) -> None:
        self._session = session_over(deployment_client())
        self._away_until = 0.0

    @contextmanager
    def within(self, deadline: Deadline) -> Iterator[None]:
        """All calls of the block together end by then."""
        token = _deadline.set(deadline)
        try:
            yield
        finally:
            _deadline.reset(token)

    def call(self, ask: Callable[[hvac.Client], T], *, seconds: float | None = None) -> T:
        """It takes so long at most, SECONDS if it is not said, unless a block around it says otherwise.

        Raises RuntimeError inside a transaction: none is held while another host is waited for.
        """
        if any(connection.in_atomic_block for connection in connections.all(initialized_only=True)):
            raise RuntimeError("The vault was asked inside a transaction.")
        let_go_of_connection()
        deadline = _deadline.get() or Deadline.after(SECONDS if seconds is None else seconds)
        allowed = deadline.remaining()
        if time.monotonic() < self._away_until or not allowed:
            raise VaultUnavailable("The vault does not answer.", reason="vault_away")
        try:
            return ask(self._hvac(allowed))
        except OutboundError as error:
            if allowed >= FAIR_SECONDS or error.reason == "refused":
                self._away_until = time.monotonic() + PAUSE_SECONDS
            raise VaultUnavailable(f"The vault does not answer ({error.reason}).", reason="vault_away") from None
        except VaultError as error:
            raise _translated(error) from None

    def _hvac(self, seconds: float) -> hvac.Client:
        return hvac.Client(
            url=settings.VAULT_ADDR,
            token=token(),
            namespace=settings.VAULT_NAMESPACE or None,
            session=self._session,
            timeout=seconds,
            allow_redirects=False,
            verify=True,
        )


def token() -> str:
    """The token to log in with; one in a file is read again when the file changes, since agents renew it there."""
    if not settings.VAULT_TOKEN_FILE:
        return str(settings.VAULT_TOKEN)
    try:
        found = os.stat(settings.VAULT_TOKEN_FILE)
        return _read(settings.VAULT_TOKEN_FILE, (found.st_ino, found.st_mtime_ns, found.st_size))
    except (OSError, ValueError):
        raise VaultUnavailable("The token file of the vault cannot be read.", reason="vault_token_file") from None


@cache
def client() -> HashicorpClient:
    return HashicorpClient()


def _read(path: str, seen: tuple[int, int, int]) -> str:
    if _last_read.get("seen") != (path, seen):
        _last_read.update(token=Path(path).read_text().strip(), seen=(path, seen))
    return str(_last_read["token"])


_last_read: dict[str, Any] = {}


def _translated(error: VaultError) -> VaultUnreadable:
    """In our words alone."""
    if isinstance(error, Forbidden | Unauthorized):
        return VaultUnavailable("The vault denies what was asked.", reason="vault_denied")
    if isinstance(error, VaultDown):
        return VaultUnavailable("The vault is sealed.", reason="vault_sealed")
    if isinstance(error, InvalidPath):
        return VaultUnreadable("The vault does not have it.", reason="not_in_vault")
    if isinstance(error, InvalidRequest):
        return VaultUnreadable("The vault does not decrypt it, or knows no such key.", reason="vault_refused")
    return VaultUnavailable("The vault has a fault of its own.", reason="vault_fault")
