"""Who was turned away: told once a minute for each kind, since refusals cost the refused nothing."""

import logging
import time
from collections.abc import Mapping
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import DatabaseError

from integrationhub.audit import trail
from integrationhub.core.errors import HubError
from integrationhub.core.exception_handler import DATABASE_AWAY

logger = logging.getLogger(__name__)

# By the catalogue's names. The caller is verified, and the entry its tenant's.
OF_A_CALLER: Mapping[str, str] = {"FORBIDDEN": "denied.tenant", "RBAC_FORBIDDEN": "denied.role"}
# Nobody knows who calls; the entry is the platform's.
OF_NOBODY: Mapping[str, str] = {
    "UNAUTHORIZED": "denied.token",
    "MTLS_REQUIRED": "denied.mtls",
    "INVALID_SIGNATURE": "denied.signature",
}
QUIET_SECONDS = 60
# Keys are made of what a caller cannot make up: its verified subject, our routes and reasons.
CAPACITY = 10_000


class Windows:
    """For each key: since when it is quiet, and how many were left out since. Safe to share between threads."""

    def __init__(self) -> None:
        self._open: dict[Any, tuple[float, int]] = {}
        self._lock = Lock()

    def take(self, key: Any) -> int | None:
        """How many were left out since the last one that was told, if this one is to be told; else None."""
        with self._lock:
            since, left_out = self._open.get(key, (float("-inf"), 0))
            if time.monotonic() < since + QUIET_SECONDS:
                self._open[key] = since, left_out + 1
                return None
            self._open.pop(key, None)
            while len(self._open) >= CAPACITY:
                del self._open[next(iter(self._open))]
            self._open[key] = time.monotonic(), 0
            return left_out

    def give_back(self, key: Any, left_out: int) -> None:
        """What was to be told could not be: it is left out, with those before it."""
        with self._lock:
            since, more = self._open.get(key, (time.monotonic(), 0))
            self._open[key] = since, more + left_out + 1

    def forget(self) -> None:
        with self._lock:
            self._open.clear()


windows = Windows()


def note(error: HubError, request: Any) -> None:
    """Tell of a refused request, if this is one; `settings.REFUSAL_RECORDER`. Raises nothing for a database's sake."""
    reason = str(error.details.get("reason", ""))
    where: dict[str, Any] = {"about": _route(request), "reason": reason, **_named(request)}
    if (action := OF_A_CALLER.get(error.entry.name)) and (caller := request.user):
        if action == "denied.tenant":
            where["asked_tenant"] = request.META.get("HTTP_X_TENANT_ID", "")
        if "required_role" in error.details:
            where["required_role"] = error.details["required_role"]
        _tell(caller.tenant_id, action, caller.subject, where, apart_by=where["about"])
    elif action := OF_NOBODY.get(error.entry.name):
        _tell(trail.platform(), action, trail.UNKNOWN, where)


def note_login(user_name: str, *, is_known: bool) -> None:
    """Tell of a failed login to the admin. A name that no operator has is not kept: it may be a password."""
    actor = f"operator:{user_name}" if is_known else trail.UNKNOWN
    _tell(trail.platform(), "denied.login", actor, {})


def note_sign_in(*, tenant_id: UUID, actor: str, reason: str) -> None:
    """Tell of a refused sign-in by SAML, in the chain of the tenant whose identity provider was to vouch for it."""
    _tell(tenant_id, "denied.sign_in", actor, {"reason": reason})


def _tell(tenant_id: UUID, action: str, actor: str, where: dict[str, Any], apart_by: str = "") -> None:
    key = (tenant_id, action, actor, where.get("reason"), apart_by)
    left_out = windows.take(key)
    if left_out is None:
        return
    if left_out:
        where["left_out"] = left_out
    try:
        trail.note(tenant_id=tenant_id, action=action, actor=actor, **where)
    except (DatabaseError, *DATABASE_AWAY) as error:
        windows.give_back(key, left_out)
        logger.warning("refusal_not_recorded", extra={"action": action, "reason": type(error).__name__})


def _route(request: Any) -> str:
    """As in "DELETE /credentials/<str:credential_id>", whatever was asked for."""
    match, method = request.resolver_match, request.method
    route = match.route.removeprefix("integrationhub/<str:version>") if match else ""
    return f"{method if method in ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE') else 'OTHER'} {route}"


def _named(request: Any) -> dict[str, str]:
    """What the path named, as in `asked_credential_id`; a token is hidden by its name."""
    match = request.resolver_match
    named = match.kwargs.items() if match else ()
    return {f"asked_{name}": value for name, value in named if name != "version"}
