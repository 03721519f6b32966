"""The node that the deployment's settings name, which tenants share.

A node has one pin of a content, whoever asked for it. So who wants what kept is written down here, and a tenant takes
back its own wish alone: the node forgets what nobody wants any more, and keeps so many bytes for each. decisions/0020
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from typing import IO
from urllib.parse import unquote, urlsplit

from django.conf import settings

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.outbound import Client, deployment_client
from integrationhub.storage import wishes
from providers import contents, ipfs, unixfs
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
        size = file.seek(0, 2)
        file.seek(0)
        _refuse_beyond(call, file, size)
        receipt = _node().execute(replace(call, file=file))
    cid = ipfs.told(receipt.reference)
    if cid:
        try:
            wishes.add(call.tenant_id, _name(cid), size)
        except InvalidRequest:  # Filled by what was added at the same time.
            _settle(call, cid)
            raise
        _at_node(call, "storage.pin.ipfs", cid)
    return receipt


def _refuse_beyond(call: Call, file: IO[bytes], size: int) -> None:
    """Before anything is sent. What is kept already takes no more room: by the address that the node will give it,
    which is computed only where there is little left."""
    try:
        wishes.refuse_beyond(call.tenant_id, size)
    except InvalidRequest:
        wishes.refuse_beyond(call.tenant_id, size, cid=_name(unixfs.added(file)))


def _pinned(call: Call) -> Receipt:
    """Its size is what its root says of all below. One that fails takes back its own wish, and none that has been told
    of as pinned meanwhile: it leaves alone what was asked for since."""
    cid = _cid(call)
    wish_id = wishes.add(call.tenant_id, _name(cid), _node().size(call, cid))
    try:
        return _at_node(call, "storage.pin.ipfs", cid)
    except ProviderError:
        if wish_id and wishes.take_back(call.tenant_id, _name(cid), wish_id=wish_id):
            with suppress(ProviderError):  # Who took it back meanwhile may have left the pin for this wish.
                _settle(call, cid)
            wishes.forget(call.tenant_id, _name(cid))
        raise


def _unpinned(call: Call) -> Receipt:
    """The wish is gone before the node is asked, so that of two who go at once one sees that nobody is left; its row is
    gone after, so that what broke off can be asked for again."""
    cid = _cid(call)
    if not wishes.take_back(call.tenant_id, _name(cid)):
        raise Next("The tenant has not pinned this content.", reason=ipfs.NOT_PINNED, upstream_status=200)
    _settle(call, cid)
    wishes.forget(call.tenant_id, _name(cid))
    return Receipt(str(cid), {"cid": str(cid), "pinned": False})


def _settle(call: Call, cid: Cid) -> None:
    """Have the node forget what nobody wants. Others come and go while it is asked: what it did last is what is wanted
    after it did."""
    is_kept = True
    while (is_wanted := wishes.is_wanted(_name(cid))) != is_kept:
        if is_wanted:
            _at_node(call, "storage.pin.ipfs", cid)
        else:
            with suppress(_NotPinned):
                _unpin_at_node(call, cid)
        is_kept = is_wanted


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


def _name(cid: Cid) -> str:
    return str(replace(cid, version=1))
