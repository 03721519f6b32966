"""Meta knows a template otherwise than the hub does: its answer to a message has the templates read again.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from datetime import timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError

from integrationhub.core.exception_handler import DATABASE_AWAY
from integrationhub.core.tenancy import tenant_scope
from providers.errors import ProviderError
from templates import runs
from templates.errors import WhatsappSyncFailed

log = structlog.get_logger(__name__)

# It takes other parameters, is not there (any more), is paused, is disabled.
CODES = frozenset({132000, 132001, 132015, 132016})
# A burst of what only a sync can tell is worth one; the next on schedule is never far.
ASK_AGAIN_AFTER = timedelta(minutes=1)


def learn(tenant_id: UUID, error: ProviderError) -> None:
    """Have the templates read again if it is one of them that Meta refused. It raises nothing: what came of the message
    does not hang on it."""
    if error.details.get("meta", {}).get("code") not in CODES:
        return
    try:
        ask_now_and_then(tenant_id)
    except (WhatsappSyncFailed, DatabaseError, *DATABASE_AWAY):
        log.exception("A sync of templates could not be asked for.", tenant_id=str(tenant_id))


def ask_now_and_then(tenant_id: UUID) -> None:
    """Ask for a sync, unless one was asked for within a minute. Raises WhatsappSyncFailed."""
    with tenant_scope(tenant_id):
        is_asked = runs.asked_within(tenant_id, ASK_AGAIN_AFTER)
    if not is_asked:
        runs.ask(tenant_id=tenant_id)
