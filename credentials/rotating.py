"""Replacing a credential without a stop: the next version is tried beside the one in use, and the last can come back.

A process that dies in the middle leaves a version on trial that nothing uses. The next rotation of that provider wipes
it, and `wipe_abandoned`, by schedule.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Q

from credentials import asking, binding, checking, versions
from credentials.asking import Asked
from credentials.errors import CredentialBindFailed, CredentialNotFound
from credentials.models import Credential
from credentials.recording import record
from credentials.versions import Status, Verified
from integrationhub.audit import trail
from integrationhub.core.errors import HubError
from integrationhub.core.tenancy import TenantQuerySet, tenant_scope
from integrationhub.outbox import events, posting

logger = logging.getLogger(__name__)

# A rotation asks for eight seconds at most and writes within a few more: one this old died with its process.
ABANDONED_AFTER = timedelta(seconds=60)
BATCH = 500


def rotate(*, tenant_id: UUID, credential_id: str, body: Mapping[str, Any], subject: str) -> Credential:
    """Store the next version of a provider's credential, ask the provider about it, and put it in use.

    `body` is `asking.ROTATE_SCHEMA`; `credential_id` is that of any version, `subject` who asks. Raises
    CredentialNotFound; and CredentialBindFailed: then the version in use is what it was, and the secret on trial is
    wiped.
    """
    replaced = binding.get(tenant_id=tenant_id, credential_id=credential_id)
    asked = asking.read_rotation(replaced.provider_key, body)
    tried = _begin(replaced, asked)
    try:
        verified = checking.confirmed(tenant_id, asked, subject)
    except HubError as error:
        with tenant_scope(tenant_id):
            _give_up(tried, subject, error.details.get("reason", ""))
        raise
    if (promoted := _promote(tried, verified, subject)) is None:
        raise CredentialBindFailed(
            f"Another change of this provider's credential came first; {asked.otherwise}.",
            reason="overtaken",
            provider_key=replaced.provider_key,
        )
    return promoted


def _begin(replaced: Credential, asked: Asked) -> Credential:
    tenant_id = replaced.tenant_id
    tried = versions.sealed(tenant_id, asked, Verified.UNCHECKED)
    with tenant_scope(tenant_id):
        versions.take_turn(tenant_id, tried.provider_key)
        if not binding.bound(tenant_id=tenant_id).filter(id=replaced.id).exists():
            raise CredentialNotFound(f"The credential {replaced.id} has been revoked.", id=str(replaced.id))
        on_trial = versions.of(tenant_id, tried.provider_key).filter(status=Status.PENDING)
        if on_trial.filter(created_at__gt=datetime.now(UTC) - ABANDONED_AFTER).exists():
            raise CredentialBindFailed(
                f"Another rotation of this provider's credential is under way; {asked.otherwise}.",
                reason="rotation_under_way",
                retryable=True,
                provider_key=tried.provider_key,
            )
        abandoned, wiped = on_trial.first(), versions.wipe(on_trial)
        versions.add(tried, asked, Status.PENDING)
        if abandoned:
            _tell_of_failure(abandoned, trail.SYSTEM, "abandoned", wiped)
    return tried


def _promote(tried: Credential, verified: Verified, subject: str) -> Credential | None:
    """None, and wiped, where it was overtaken: by a later version that was bound, or by its own revocation."""
    with tenant_scope(tried.tenant_id):
        versions.take_turn(tried.tenant_id, tried.provider_key)
        rows = versions.in_use(tried.tenant_id).filter(provider_key=tried.provider_key)
        on_trial = _on_trial(tried).first()
        if on_trial is None or rows.filter(version__gt=tried.version).exists():
            _give_up(tried, subject, "overtaken")
            return None
        promoted, wiped = versions.put_in_use(on_trial, watched=True, verified=verified)
        said = {"verified": verified, "expires_at": promoted.expires_at}
        record(promoted, "credential.rotated", subject, wiped=wiped, **said)
    return promoted


def _give_up(tried: Credential, subject: str, reason: str) -> None:
    _tell_of_failure(tried, subject, reason, versions.wipe(_on_trial(tried)))


def _tell_of_failure(tried: Credential, subject: str, reason: str, wiped: list[int]) -> None:
    record(tried, "credential.rotation_failed", subject, reason=reason, wiped=wiped)


def _on_trial(tried: Credential) -> TenantQuerySet:
    return versions.of(tried.tenant_id, tried.provider_key).filter(id=tried.id, status=Status.PENDING)


def roll_back(*, tenant_id: UUID, credential_id: str, subject: str) -> Credential:
    """Put the version before the one in use in use again; `credential_id` is that of any version of the provider's.

    The version that it replaces is `rolled_back`, and its secret wiped. Raises CredentialNotFound where nothing is in
    use or no version before it is kept, and CredentialExpired where that one has expired.
    """
    provider_key = binding.get(tenant_id=tenant_id, credential_id=credential_id).provider_key
    with tenant_scope(tenant_id):
        versions.take_turn(tenant_id, provider_key)
        current = versions.in_use(tenant_id).filter(provider_key=provider_key).first()
        before = versions.before(current) if current else None
        if current is None or before is None:
            raise CredentialNotFound(
                f"There is no version before the one in use of {provider_key!r}: rotate to a new one.",
                reason="no_version_before",
                provider_key=provider_key,
            )
        if before.is_expired(datetime.now(UTC)):
            raise versions.expired(before)
        return _bring_back(current, before, subject, automatic=False)


def take_back(credential: Credential, *, reason: str) -> None:
    """Do so by ourselves, because the provider refuses the version in use: by the first of several callers, and where
    the one before is neither expired nor refused itself."""
    tenant_id = credential.tenant_id
    with tenant_scope(tenant_id):
        versions.take_turn(tenant_id, credential.provider_key)
        current = versions.in_use(tenant_id).filter(id=credential.id, watched_until__isnull=False).first()
        before = versions.before(current) if current else None
        if current and before and not (before.failing_since or before.is_expired(datetime.now(UTC))):
            _bring_back(current, before, trail.SYSTEM, automatic=True, reason=reason)
            logger.warning("credential_rolled_back", extra={"provider_key": current.provider_key, "reason": reason})


def _bring_back(current: Credential, before: Credential, subject: str, **said: Any) -> Credential:
    events.publish(
        tenant_id=current.tenant_id,
        kind="credential.rolled_back",
        credential_id=str(current.id),
        provider_key=current.provider_key,
        version=current.version,
        version_in_use=before.version,
        **said,
    )
    wiped = versions.wipe(versions.in_use(current.tenant_id).filter(id=current.id), Status.ROLLED_BACK)
    in_use_now, _ = versions.put_in_use(before, watched=False, verified=_doubted(before))
    record(in_use_now, "credential.rolled_back", subject, instead_of=current.version, wiped=wiped, **said)
    return in_use_now


def _doubted(before: Credential) -> Verified:
    """What its provider said of it was of another day: a worker asks again, and until then it proves nothing."""
    if before.verified != Verified.VERIFIED:
        return Verified(before.verified)
    posting.post(
        tenant_id=before.tenant_id, task="credentials.tasks.ask_again", queue="maint", credential_id=str(before.id)
    )
    return Verified.UNCHECKED


def wipe_abandoned() -> None:
    """Wipe the versions on trial whose process died, across tenants."""
    abandoned = Q(status=Status.PENDING, created_at__lt=datetime.now(UTC) - ABANDONED_AFTER)
    found = Credential.objects.using("system").filter(abandoned).values_list("tenant_id", "provider_key")
    for tenant_id, provider_key in found[:BATCH]:
        try:
            _wipe_abandoned(tenant_id, provider_key, abandoned)
        except DatabaseError:
            # The boundary of one row, as one that is locked just now: the next run finds it, and the others go on.
            logger.exception("A rotation left behind could not be wiped.", extra={"provider_key": provider_key})


def _wipe_abandoned(tenant_id: UUID, provider_key: str, abandoned: Q) -> None:
    with tenant_scope(tenant_id):
        versions.take_turn(tenant_id, provider_key)
        tried = versions.of(tenant_id, provider_key).filter(abandoned).first()
        if tried:
            _give_up(tried, trail.SYSTEM, "abandoned")
