"""Files of customers: asked for at Meta, checked on their way to a temporary file, then kept in the deployment's store.

They are checked before the store hears of them, so that it never holds a half or a false one. No transaction is open
meanwhile, and never more than a few megabytes of a file are in memory.
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
"""

import logging
import mimetypes
import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from uuid import UUID

from django.conf import settings

from integrationhub.core import object_store
from integrationhub.core.deadline import Deadline
from integrationhub.core.errors import HubError
from integrationhub.core.object_store import StoreFailed
from integrationhub.core.tenancy import let_go_of_connection
from providers.errors import Next, ProviderError, Stop
from providers.meta_graph import Content, MediaPlace, MetaGraph
from whatsapp import accounts, file_rules, media
from whatsapp.errors import MediaDownloadFailed
from whatsapp.models import Medium, MediumState

logger = logging.getLogger(__name__)

# Of one attempt, below the soft limit of a task and a row's lease.
SECONDS = 50.0
LOOK_AGAIN_SECONDS = 0.25
# How long a request waits for another that is at the same file: each one that waits holds a thread.
WAIT_SECONDS = 3.0
# What is larger waits on disk.
IN_MEMORY = 1024 * 1024
_MEDIA_ID = re.compile("[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A file in the store, and the address by which anybody can fetch it until `expires_at`."""

    medium: Medium
    url: str
    expires_at: datetime


def kept(*, tenant_id: UUID, media_id: str) -> Kept:
    """A file of the tenant's number, fetched if it was not before.

    Raises MediaDownloadFailed; or WhatsappNotConfigured, CredentialExpired, VaultUnreadable.
    """
    deadline = Deadline.after(SECONDS)
    medium = media.find(tenant_id=tenant_id, media_id=media_id) if _MEDIA_ID.fullmatch(media_id) else None
    if medium is None or medium.state != MediumState.STORED:
        medium = _fetched_by_one(medium or _asked_for(tenant_id, media_id, deadline), deadline)
    seconds = settings.MEDIA_URL_SECONDS
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    try:
        return Kept(medium, object_store.address(medium.key, seconds=seconds, filename=_name(medium)), expires_at)
    except StoreFailed as error:
        raise _not_stored(error) from error


def attend_to(*, tenant_id: UUID, medium_id: UUID, after: int) -> None:
    """One attempt for a worker, unless there was one since it was asked for. What made it fail stands in the row; there
    is nobody to tell it to."""
    medium = media.take(tenant_id=tenant_id, medium_id=medium_id, after=after)
    if medium is None:
        return
    try:
        _fetched(medium, Deadline.after(SECONDS))
    except HubError as error:
        told = {"medium_id": str(medium_id), "code": error.entry.code, "words": error.message}
        logger.warning("A file of a customer could not be fetched.", extra=told)


def _asked_for(tenant_id: UUID, media_id: str, deadline: Deadline) -> Medium:
    """By the account that tenants share Meta hands out what is another's: there a message must have brought it."""
    account = accounts.of(tenant_id, deadline)
    if not (_MEDIA_ID.fullmatch(media_id) and accounts.has_own(tenant_id)):
        raise MediaDownloadFailed(f"There is no medium '{media_id[:100]}' of this tenant.", reason="unknown_medium")
    _require_store()
    return media.known(tenant_id=tenant_id, media_id=media_id, phone_number_id=account.phone_number_id)


def _fetched_by_one(medium: Medium, deadline: Deadline) -> Medium:
    """However many ask for it at once, one of them fetches it, and the others wait a moment for that."""
    _require_store()
    patience = deadline.within(WAIT_SECONDS)
    while (taken := media.take(tenant_id=medium.tenant_id, medium_id=medium.id)) is None:
        found = media.find(tenant_id=medium.tenant_id, media_id=medium.media_id)
        if found and found.state == MediumState.STORED:
            return found
        if not patience.remaining():
            words = "Another request or worker is still at it: ask again in a moment."
            raise MediaDownloadFailed(words, reason="in_progress", retryable=True, retry_after=WAIT_SECONDS)
        let_go_of_connection()
        time.sleep(LOOK_AGAIN_SECONDS)
    return _fetched(taken, deadline)


def _fetched(medium: Medium, deadline: Deadline) -> Medium:
    """One attempt, which the row tells of."""
    try:
        with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            place, content = _downloaded(medium, file, deadline)
            content_type = place.content_type or medium.content_type or "application/octet-stream"
            _store(medium, file, content_type, deadline)
    except HubError as error:
        failure = _failure(error)
        media.failed(medium, failure)
        raise failure from (None if failure is error else error)
    return media.stored(medium, content=content, content_type=content_type)


def _downloaded(medium: Medium, into: IO[bytes], deadline: Deadline) -> tuple[MediaPlace, Content]:
    """An address serves for five minutes, and some not at all: then Meta is asked once more for another."""
    graph = _graph(medium, deadline)
    let_go_of_connection()
    largest = file_rules.largest_inbound(medium.kind)
    for is_last in (False, True):
        place = graph.media(medium.media_id, deadline)
        place = replace(place, sha256=place.sha256 or medium.sha256)
        try:
            return place, graph.download(place, into, deadline, largest=largest)
        except ProviderError as error:
            if error.upstream_status != HTTPStatus.NOT_FOUND:
                raise
            if is_last:
                # Meta knows the file, and may find it later.
                raise Next(error.message, **_more(error), retryable=True) from error
    raise AssertionError("There is a last attempt.")


def _graph(medium: Medium, deadline: Deadline) -> MetaGraph:
    """By the number that its message came to: the tenant may have bound another since, or have several. Who asks by an
    id alone does so with its own token, also where it says that it has the shared number, or has given up its own
    since: by the account that tenants share Meta would hand out another's."""
    if not medium.message_id:
        return accounts.own_graph(medium.tenant_id, deadline)
    if accounts.is_deployments(medium.phone_number_id):
        return accounts.shared_graph()
    return accounts.own_graph(medium.tenant_id, deadline, phone_number_id=medium.phone_number_id)


def _store(medium: Medium, file: IO[bytes], content_type: str, deadline: Deadline) -> None:
    try:
        object_store.put(medium.key, file, content_type=content_type, deadline=deadline)
    except StoreFailed as error:
        raise _not_stored(error) from error


def _more(error: ProviderError) -> dict[str, Any]:
    known = {"reason": error.reason, "upstream_status": error.upstream_status, "entry": error.entry}
    return {**known, "retry_after": error.retry_after, **error.details}


def _failure(error: HubError) -> HubError:
    """Whatever Meta said, under the one code of a download; `code` in the details is of Meta's own row."""
    if not isinstance(error, ProviderError):
        return error
    is_final = isinstance(error, Stop)
    return MediaDownloadFailed(
        f"The file could not be fetched from Meta: {error.message}",
        reason=error.reason,
        retryable=error.is_retryable and not is_final,
        retry_after=error.retry_after,
        is_final=is_final,
        **{**error.details, "code": error.entry.code},
    )


def _not_stored(error: StoreFailed) -> MediaDownloadFailed:
    return MediaDownloadFailed(
        f"The file could not be stored: {error.words}", reason=error.reason, retryable=error.is_retryable
    )


def _require_store() -> None:
    if not object_store.is_configured():
        raise MediaDownloadFailed(
            "This installation has no store for files: AWS_STORAGE_BUCKET_NAME is not set.", reason="no_store"
        )


def _name(medium: Medium) -> str:
    return medium.filename or f"{medium.media_id}{mimetypes.guess_extension(medium.content_type) or ''}"
