"""Asking a provider about a credential that is stored: at its owner's word, or since what it said may have ended."""

import logging
from datetime import UTC, datetime
from uuid import UUID

from credentials import binding, checking, refusals, versions
from credentials.checking import Said, Verified
from credentials.errors import CredentialNotFound
from credentials.models import Credential
from integrationhub.audit import trail
from integrationhub.core.errors import HubError
from integrationhub.core.tenancy import tenant_scope
from providers import registry

logger = logging.getLogger(__name__)


def verify(*, tenant_id: UUID, credential_id: str, subject: str) -> tuple[Credential, Said]:
    """Ask the provider now, and note what it says; `subject` is who wants to know.

    Raises CredentialNotFound, also where the secret is wiped; CredentialExpired; AdapterNotFound; VaultUnreadable; and
    CredentialBindFailed where the provider could not be asked, which notes nothing.
    """
    credential = binding.get(tenant_id=tenant_id, credential_id=credential_id)
    if not credential.sealed:
        raise CredentialNotFound("The secret of this version was wiped.", reason="wiped", id=credential_id)
    adapter = registry.get(credential.provider_key)
    said = checking.ask(tenant_id, adapter, binding.opened(credential), subject)
    if said.verified == Verified.UNCHECKED:
        raise checking.not_accepted(adapter, said, "nothing was changed")
    note(credential, said)
    return binding.get(tenant_id=tenant_id, credential_id=credential_id), said


def ask_again(*, tenant_id: UUID, credential_id: str) -> None:
    """`verify` for a worker, who has nobody to tell what keeps it from asking."""
    try:
        verify(tenant_id=tenant_id, credential_id=credential_id, subject=trail.SYSTEM)
    except HubError as error:
        told = {"tenant_id": str(tenant_id), "code": error.entry.code, "words": error.message}
        logger.warning("A provider could not be asked about a credential again.", extra=told)


def note(credential: Credential, said: Said) -> None:
    """What its provider said of a credential is shown on it from now on."""
    if said.verified == Verified.FAILED:
        refusals.note_refusal(credential, reason=str(said.reason))
    elif said.verified == Verified.VERIFIED:
        refusals.mark_working(credential)
    # What no call has asked about yet is still to be noted; a refusal seen in a call stands until a call is accepted.
    with tenant_scope(credential.tenant_id):
        rows = Credential.objects.for_tenant(credential.tenant_id).filter(id=credential.id, failing_since=None)
        rows.update(verified=said.verified, updated_at=datetime.now(UTC))
        # Of one that has recovered, `mark_working` has told it.
        if said.verified == Verified.VERIFIED and not credential.failing_since:
            versions.accepted(credential)
