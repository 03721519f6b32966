"""The node that the deployment's settings name, which tenants share.

A node has one pin of a content, whoever asked for it. So who wants what kept is written down here, and a tenant takes
back its own wish alone: the node forgets what nobody wants any more. decisions/0020
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from urllib.parse import unquote, urlsplit
from uuid import UUID

from django.conf import settings

from integrationhub.core.operators import SYSTEM
from integrationhub.core.outbound import Client, deployment_client
from integrationhub.core.tenancy import let_go_of_connection, tenant_scope
from integrationhub.storage.models import SharedPin
from providers import contents, ipfs
from providers.adapter import Call, Receipt
from providers.cids import Cid
from providers.errors import Next, ProviderError, Stop
from providers.kubo import Kubo

_node = cache(lambda: Kubo(deployment_client()))


def execute(call: Call, http: Client) -> Receipt:
    """Act once at the shared node; `http` fetches what a tenant has named. Raises what an adapter raises."""
    call = _addressed(call)
    acts: dict[str, Callable[[Call], Receipt]] = {
        "storage.add.ipfs": partial(_added, http=http),
        "storage.pin.ipfs": _pinned,
        "storage.unpin.ipfs": _unpinned,
    }
    return acts.get(call.intent, _node().execute)(call)


def _addressed(call: Call) -> Call:
    """To the node, with the login that its address may hold."""
    where = urlsplit(settings.IPFS_API_URL)
    if not where.hostname:
        raise Next("The deployment has no node of IPFS: IPFS_API_URL is not set.", reason="no_node")
    login = {"username": unquote(where.username), "password": unquote(where.password or "")} if where.username else {}
    plain = where._replace(netloc=where.netloc.rpartition("@")[2]).geturl()
    return replace(call, base_url=plain, secrets=login)


def _added(call: Call, http: Client) -> Receipt:
    """Pinned once more when it is written down: who took back the last wish before that had the node forget it.

    The client that reaches the node may dial any address: it is given the content, and no address of a tenant's.
    """
    with contents.opened(call, http) as (file, _):
        receipt = _node().execute(replace(call, file=file))
    cid = ipfs.told(receipt.reference)
    if cid:
        _want(call.tenant_id, cid)
        _at_node(call, "storage.pin.ipfs", cid)
    return receipt


def _pinned(call: Call) -> Receipt:
    cid = _cid(call)
    is_new = _want(call.tenant_id, cid)
    try:
        return _at_node(call, "storage.pin.ipfs", cid)
    except ProviderError:
        if is_new:
            _forget(call.tenant_id, cid)
        raise


def _unpinned(call: Call) -> Receipt:
    cid = _cid(call)
    if not _is_wanted_by(call.tenant_id, cid):
        raise Next("The tenant has not pinned this content.", reason=ipfs.NOT_PINNED, upstream_status=200)
    if not _is_wanted_by_others(call.tenant_id, cid):
        with suppress(_NotPinned):
            _unpin_at_node(call, cid)
        # Whoever wrote a wish down meanwhile may have had it pinned before the node forgot it.
        if _is_wanted_by_others(call.tenant_id, cid):
            _at_node(call, "storage.pin.ipfs", cid)
    _forget(call.tenant_id, cid)
    return Receipt(str(cid), {"cid": str(cid), "pinned": False})


class _NotPinned(Exception):
    """The node has no such pin: what was wanted is so."""


def _unpin_at_node(call: Call, cid: Cid) -> None:
    try:
        _at_node(call, "storage.unpin.ipfs", cid)
    except ProviderError as error:
        if error.reason == ipfs.NOT_PINNED:
            raise _NotPinned from error
        raise


def _at_node(call: Call, intent: str, cid: Cid) -> Receipt:
    return _node().execute(replace(call, intent=intent, payload={"cid": str(cid)}, file=None))


def _cid(call: Call) -> Cid:
    if (cid := ipfs.wanted(call)) is None:
        raise Stop("payload.cid is missing; nothing was sent.", reason="invalid_cid")
    return cid


# --- Who wants what. The scope is closed, and the connection given back, before the node is called ---


def _name(cid: Cid) -> str:
    return str(replace(cid, version=1))


def _want(tenant_id: UUID, cid: Cid) -> bool:
    """Whether the tenant did not want it before."""
    with tenant_scope(tenant_id):
        _, is_new = SharedPin.objects.for_tenant(tenant_id).get_or_create(tenant_id=tenant_id, cid=_name(cid))
    let_go_of_connection()
    return bool(is_new)


def _forget(tenant_id: UUID, cid: Cid) -> None:
    with tenant_scope(tenant_id):
        SharedPin.objects.for_tenant(tenant_id).filter(cid=_name(cid)).delete()
    let_go_of_connection()


def _is_wanted_by(tenant_id: UUID, cid: Cid) -> bool:
    with tenant_scope(tenant_id):
        found = SharedPin.objects.for_tenant(tenant_id).filter(cid=_name(cid)).exists()
    let_go_of_connection()
    return bool(found)


def _is_wanted_by_others(tenant_id: UUID, cid: Cid) -> bool:
    """Across tenants, by the role that sees them all; what it tells is whether, and not who."""
    found = SharedPin.objects.using(SYSTEM).filter(cid=_name(cid)).exclude(tenant_id=tenant_id).exists()
    let_go_of_connection(SYSTEM)
    return bool(found)
