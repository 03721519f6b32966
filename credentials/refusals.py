"""What providers say of a credential in the calls that are made with it."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db.models import F

from credentials import rotating, versions
from credentials.models import Credential
from integrationhub.core import tenant_version
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import events

logger = logging.getLogger(__name__)

# So many refusals bring the version before back while the new one is watched, if they are at least a fifth of its uses.
LEAST_REFUSALS = 3
SUCCESSES_FOR_A_REFUSAL = 4

# How many calls have succeeded since a moment, as far as a number: nobody needs to know of more.
Successes = Callable[[datetime, int], int]


def mark_failing(credential: Credential, *, reason: str, successes: Successes) -> None:
    """Note that the provider refused this credential in a call, and tell its owner once.

    It stays in use, since only the owner can tell why, and the provider may take it back: unless it replaced another
    version a short while ago, which then comes back. `successes` counts the calls that it was accepted in: when a
    refusal comes, so that a success costs nothing.
    """
    logger.warning("credential_failing", extra={"provider_key": credential.provider_key, "reason": reason})
    note_refusal(credential, reason=reason)
    if credential.watched_until and _are_too_many(_refusals(credential), credential.watched_until, successes):
        rotating.take_back(credential, reason=reason)


def _are_too_many(refusals: int, watched_until: datetime, successes: Successes) -> bool:
    if refusals < LEAST_REFUSALS:
        return False
    most = SUCCESSES_FOR_A_REFUSAL * refusals
    return successes(watched_until - versions.WATCHED_FOR, most + 1) <= most


def note_refusal(credential: Credential, *, reason: str) -> None:
    """Note it, and tell its owner once."""
    refused = {"verified": Credential.Verified.FAILED, "failing_since": datetime.now(UTC)}
    _note(credential, {"failing_since": None}, refused, "credential.failing", reason=reason)


def mark_working(credential: Credential) -> None:
    """Note that the provider accepts a credential again which it had refused."""
    accepted = {"verified": Credential.Verified.VERIFIED, "failing_since": None}
    _note(credential, {"failing_since__isnull": False}, accepted, "credential.recovered")


def _refusals(credential: Credential) -> int:
    """Count one more; 0 for a version that is not watched any more. Its row is let go before a turn is waited for."""
    with tenant_scope(credential.tenant_id):
        watched = Credential.objects.for_tenant(credential.tenant_id).filter(
            id=credential.id, status=Credential.Status.ACTIVE, watched_until__gt=datetime.now(UTC)
        )
        watched.update(refusals=F("refusals") + 1)
        return watched.values_list("refusals", flat=True).first() or 0


def _note(credential: Credential, before: dict[str, Any], after: dict[str, Any], kind: str, **data: str) -> None:
    """Change the row and write the event together, by the one of several callers that finds the row as it was."""
    tenant_id = credential.tenant_id
    with tenant_scope(tenant_id):
        rows = Credential.objects.for_tenant(tenant_id).filter(id=credential.id, **before)
        if rows.update(**after, updated_at=datetime.now(UTC)):
            events.publish(
                tenant_id=tenant_id,
                kind=kind,
                credential_id=str(credential.id),
                provider_key=credential.provider_key,
                **data,
            )
            tenant_version.changed(tenant_id)
            if after["verified"] == Credential.Verified.VERIFIED:
                versions.accepted(credential)
