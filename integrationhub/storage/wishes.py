"""Who wants what kept by the node that tenants share, and how much of it: a row for each wish.

What is taken back stands here until the node has forgotten it. The connection is given back before the node is called.
"""

from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.ids import new_id
from integrationhub.core.operators import SYSTEM
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from integrationhub.storage.models import SharedPin


def refuse_beyond(tenant_id: UUID, size: int, *, cid: str = "") -> None:
    """Raises InvalidRequest (413) where so many bytes more, beside what is kept of other content than `cid`, are more
    than a tenant may have kept."""
    with tenant_scope(tenant_id):
        others = SharedPin.objects.for_tenant(tenant_id).exclude(cid=cid)
        used, most = others.aggregate(used=Sum("size"))["used"] or 0, settings.IPFS_MAX_BYTES_PER_TENANT
    let_go_of_connection()
    if used + size > most:
        raise InvalidRequest(
            f"The deployment's node keeps {most:,} bytes for a tenant: {used:,} are used, and this has {size:,}. "
            "Unpin some of it, or bind a node or a pinning service of your own.",
            status=413,
            reason="shared_node_full",
            max_bytes=most,
            used_bytes=used,
            size_bytes=size,
        )


def add(tenant_id: UUID, cid: str, size: int) -> UUID | None:
    """The id of the wish, which it has until it is added again; None where the tenant wanted it before. Raises as
    `refuse_beyond`; of two at once the second one counts the first."""
    with tenant_scope(tenant_id):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"shared pins {tenant_id}"])
        refuse_beyond(tenant_id, size, cid=cid)
        mine = SharedPin.objects.for_tenant(tenant_id)
        is_new, wish_id = not mine.filter(cid=cid, is_wanted=True).exists(), new_id()
        if not mine.filter(cid=cid).update(id=wish_id, size=size, is_wanted=True):
            SharedPin.objects.create(tenant_id=tenant_id, id=wish_id, cid=cid, size=size)
    let_go_of_connection()
    return wish_id if is_new else None


def take_back(tenant_id: UUID, cid: str, *, wish_id: UUID | None = None) -> bool:
    """False where the tenant has no such wish, or another than `wish_id`; one that was taken back and is not
    forgotten is one still."""
    with tenant_scope(tenant_id):
        wishes = SharedPin.objects.for_tenant(tenant_id).filter(cid=cid)
        found = (wishes.filter(id=wish_id) if wish_id else wishes).update(is_wanted=False)
    let_go_of_connection()
    return bool(found)


def forget(tenant_id: UUID, cid: str) -> None:
    """What was taken back; who wants it again meanwhile keeps it."""
    with tenant_scope(tenant_id):
        SharedPin.objects.for_tenant(tenant_id).filter(cid=cid, is_wanted=False).delete()
    let_go_of_connection()


def is_wanted(cid: str) -> bool:
    """By anyone: across tenants, by the role that sees them all. It tells whether, and not who."""
    found = SharedPin.objects.using(SYSTEM).filter(cid=cid, is_wanted=True).exists()
    let_go_of_connection(SYSTEM)
    return bool(found)
