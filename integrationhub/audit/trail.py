"""Write the trail: the one way in for everybody."""

from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connections, transaction

from integrationhub.audit.models import LONGEST_ABOUT, LONGEST_ACTION, LONGEST_ACTOR, Entry
from integrationhub.core.logs import redact
from integrationhub.core.operators import SYSTEM as SYSTEM_ROLE
from integrationhub.core.tenancy import tenant_scope

# Actors beside the subjects of tokens and the operators.
SYSTEM, UNKNOWN = "system", "unknown"
LONGEST_DETAIL = 500


def record(*, tenant_id: UUID, action: str, actor: str, about: str = "", **details: Any) -> None:
    """Write one entry, inside the caller's `tenant_scope`: it stands if and only if the change it tells of does.

    `action` is `<thing>.<what became of it>`, as in "credential.bound"; `actor` the token's subject, "system" or
    "unknown"; `about` `<type>:<id or key>`. `details` are ids and words, never a secret: what looks like one is hidden
    as in the logs.

    Make it the last statement of the scope. The end of the tenant's chain is locked from here to the commit, so that
    a lock taken afterwards would be held up by, and could deadlock with, another writer of the same tenant.
    """
    _entry(tenant_id, action, actor, about, details).save(force_insert=True)


def note(*, tenant_id: UUID, action: str, actor: str, about: str = "", **details: Any) -> None:
    """`record` in a scope of its own: for what belongs to no change, such as a refusal."""
    with tenant_scope(tenant_id):
        record(tenant_id=tenant_id, action=action, actor=actor, about=about, **details)


def record_as_system(*, tenant_id: UUID, action: str, actor: str, about: str = "", **details: Any) -> None:
    """`record` for changes that operators make: in the open transaction of the `system` role, if there is one."""
    with transaction.atomic(using=SYSTEM_ROLE):
        with connections[SYSTEM_ROLE].cursor() as cursor:
            # It passes the wall itself, but the trigger works as the owner, who may not.
            cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
        _entry(tenant_id, action, actor, about, details).save(force_insert=True, using=SYSTEM_ROLE)


def platform() -> UUID:
    """Whose chain tells of what no tenant owns: the platform's tenant, or the nil UUID where none is set."""
    return UUID(settings.PLATFORM_TENANT_ID) if settings.PLATFORM_TENANT_ID else UUID(int=0)


def operator(user: Any) -> str:
    """An operator as an actor."""
    return f"operator:{user.get_username()}"


def _entry(tenant_id: UUID, action: str, actor: str, about: str, details: dict[str, Any]) -> Entry:
    return Entry(
        tenant_id=tenant_id,
        action=action[:LONGEST_ACTION],
        actor=_storable(actor)[:LONGEST_ACTOR],
        about=_storable(about)[:LONGEST_ABOUT],
        request_id=structlog.contextvars.get_contextvars().get("request_id") or "",
        details=_storable(redact(details)),
    )


def _storable(value: Any) -> Any:
    """Texts cut to a length and without what PostgreSQL does not store: NUL, and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST_DETAIL]
    if isinstance(value, dict):
        return {_storable(str(name)): _storable(member) for name, member in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value
