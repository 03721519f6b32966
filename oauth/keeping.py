"""A connection's tokens at rest: sealed for their row, and the times that follow from them."""

import dataclasses
import json
import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from credentials.vault import Context, vault
from integrationhub.core.deadline import Deadline
from oauth.models import Connection
from oauth.protocol import Tokens
from oauth.table import OAuthProvider

# What is refreshed ahead of its end is refreshed between once and one and a half times this long before.
LEAST_AHEAD = timedelta(minutes=10)
# What `take` sets beside the tokens themselves.
TIMES = (
    "scopes",
    "status",
    "reason",
    "is_refreshable",
    "expires_at",
    "grant_expires_at",
    "refreshed_at",
    "refresh_at",
    "failures",
    "failed_at",
    "last_error",
    "expiry_told",
)


def sealed(connection: Connection, tokens: Tokens) -> bytes:
    """Outside of any transaction: the vault may have to ask another host for a key. Raises VaultUnreadable."""
    kept = dataclasses.asdict(tokens)
    return vault().seal(json.dumps(kept, separators=(",", ":")).encode(), _place(connection))


def expect_to_seal(tenant_id: UUID) -> None:
    """Before tokens are asked for that could not be kept: for minutes from now, sealing needs no other host. Raises
    VaultUnreadable."""
    vault().seal(b"", Context(tenant_id, Connection._meta.db_table, tenant_id, "sealed"))


def opened(connection: Connection, deadline: Deadline | None = None) -> Tokens:
    """For the call that is about to be made. Raises VaultUnreadable."""
    kept: dict[str, Any] = json.loads(vault().open(bytes(connection.sealed), _place(connection), deadline))
    if kept["scopes"] is not None:
        kept["scopes"] = tuple(kept["scopes"])
    return Tokens(**kept)


def take(connection: Connection, provider: OAuthProvider, tokens: Tokens, now: datetime) -> None:
    """Put new tokens and their times into the row, which is not saved yet. Raises VaultUnreadable."""
    connection.sealed = sealed(connection, tokens)
    is_renewed_by_itself = provider.refresh == "reexchange"
    connection.is_refreshable = is_renewed_by_itself or bool(provider.refresh and tokens.refresh_token)
    connection.refreshed_at = now
    connection.expires_at = _after(now, tokens.expires_in)
    if connection.is_refreshable and not is_renewed_by_itself:
        connection.grant_expires_at = _after(now, tokens.refresh_expires_in) or connection.grant_expires_at
    elif is_renewed_by_itself or not tokens.refresh_token:
        connection.grant_expires_at = connection.expires_at
    else:
        # Apple's refresh token outlives the hour of its access token: by it the grant can still be revoked.
        connection.grant_expires_at = None
    connection.refresh_at = refresh_time(now, tokens.expires_in) if connection.is_refreshable else None
    connection.failures, connection.failed_at, connection.last_error, connection.reason = 0, None, None, ""
    connection.status = Connection.Status.ACTIVE
    connection.expiry_told = None
    if tokens.scopes is not None:
        connection.scopes = list(tokens.scopes)


def refresh_time(now: datetime, expires_in: int | None) -> datetime | None:
    """Ahead of the end by a tenth of the life, ten minutes at least and half of it at most, at a time that differs from
    one connection to the next."""
    if expires_in is None:
        return None
    life = timedelta(seconds=expires_in)
    ahead = min(max(LEAST_AHEAD, life / 10), life / 3)
    return now + life - ahead * random.uniform(1, 1.5)  # noqa: S311  Jitter, no secret.


def _after(now: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def _place(connection: Connection) -> Context:
    return Context(connection.tenant_id, Connection._meta.db_table, connection.id, "sealed")
