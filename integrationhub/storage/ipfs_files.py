"""Files to and from IPFS, at any length: executions whose content travels beside their payload, as an open file.

So they have what every execution has (the tenant's providers in their order, attempts, circuits, quota, keys), and no
row holds a file. decisions/0020
"""

from collections.abc import Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings

from integrationhub.core.errors import HubError, InvalidRequest
from integrationhub.core.http import HubRequest
from integrationhub.execution import executor, routing
from integrationhub.execution.errors import IpfsUnavailable, NoProviders
from integrationhub.execution.executor import Run
from integrationhub.execution.models import Mode
from integrationhub.execution.order import Options, Order
from integrationhub.execution.routing import Chain, Step
from integrationhub.idempotency import answers
from providers import cids, contents, ipfs, registry, schema_faults
from providers.intents import CONTENT, FILE_NAME, INTENTS

# Over all attempts, and of one. 100 MiB take their time.
SECONDS, ATTEMPT_SECONDS = 60, 30.0
SHARED = "kubo_ipfs"
FILE_BODY: dict[str, Any] = {
    "type": "object",
    "properties": {"content": CONTENT, "name": FILE_NAME},
    "required": ["content"],
    "additionalProperties": False,
}
FORM_BODY: dict[str, Any] = {"type": "object", "properties": {"name": FILE_NAME}, "additionalProperties": False}
PIN_BODY = FORM_BODY
_file_body, _name_body = schema_faults.compiled(FILE_BODY), schema_faults.compiled(FORM_BODY)


def add(request: HubRequest, key: answers.Key | None) -> Run:
    """Add the file of a form, or the content of a JSON body, and keep it.

    Raises InvalidRequest, IpfsUnavailable, and what `executor.execute` raises.
    """
    payload, file = _content(request)
    return _run(request, "storage.add.ipfs", payload, key=key, file=file)


def get(request: HubRequest, cid: str) -> IO[bytes]:
    """The content of a CID, whole and checked, as a file at its beginning. Raises as `add`, and 404."""
    into: IO[bytes] = SpooledTemporaryFile(max_size=contents.IN_MEMORY)  # noqa: SIM115  The answer closes it.
    try:
        _run(request, "storage.get.ipfs", {"cid": read(cid)}, file=into)
    except HubError:
        into.close()
        raise
    into.seek(0)
    return into


def pin(request: HubRequest, cid: str, key: answers.Key | None) -> Run:
    """Keep content that is on IPFS already. Raises as `add`."""
    _refuse(schema_faults.faults(_name_body, request.data))
    return _run(request, "storage.pin.ipfs", {"cid": read(cid), **request.data}, key=key)


def unpin(request: HubRequest, cid: str) -> None:
    """Stop keeping it. Raises as `add`, and InvalidRequest (404)."""
    _run(request, "storage.unpin.ipfs", {"cid": read(cid)})


def read(cid: str) -> str:
    """The CID of a path, in the spelling that is sent on. Raises InvalidRequest."""
    try:
        return str(cids.parse(cid))
    except ValueError:
        raise ipfs.unreadable("cid") from None


def _content(request: HubRequest) -> tuple[dict[str, Any], IO[bytes] | None]:
    file = request.FILES.get("file")
    if file is None:
        _refuse(schema_faults.faults(_file_body, request.data))
        return dict(request.data), None
    body = {name: value for name, value in request.data.items() if name != "file"}
    _refuse(schema_faults.faults(_name_body, body))
    if (file.size or 0) > ipfs.LARGEST_FILE:
        raise InvalidRequest(
            f"The file is longer than {ipfs.LARGEST_FILE} bytes.",
            status=413,
            reason="body_too_large",
            max_bytes=ipfs.LARGEST_FILE,
        )
    return {"name": body.get("name") or file.name or "file"}, file


def _refuse(faults: list[dict[str, str]]) -> None:
    if faults:
        names = ", ".join(fault["field"] for fault in faults)
        raise InvalidRequest(f"The request is not valid: {names}.", reason="invalid_fields", fields=faults)


def _run(
    request: HubRequest,
    intent: str,
    payload: Mapping[str, Any],
    *,
    key: answers.Key | None = None,
    file: IO[bytes] | None = None,
) -> Run:
    """A content address is added, pinned or read twice as once, so that an outcome that nobody knows stops nothing."""
    caller, version = request.user, request._request.rate_limit_decision.tenant_version  # type: ignore[attr-defined]
    order = Order(
        tenant_id=caller.tenant_id,
        subject=caller.subject,
        request_id=request.request_id,
        intent=INTENTS[intent],
        payload=payload,
        options=Options(timeout_ms=SECONDS * 1000, on_ambiguous="next"),
        tenant_version=version,
        attempt_seconds=ATTEMPT_SECONDS,
        file=file,
    )
    return executor.execute(order, key, _chain(order))


def _chain(order: Order) -> Chain:
    """The tenant's own providers; the deployment's node for a tenant that has installed none."""
    try:
        return routing.chain_for(order)
    except NoProviders as error:
        if error.details["reason"] != "none_installed":
            raise
        if not settings.IPFS_API_URL:
            raise IpfsUnavailable(
                "The tenant has installed no provider of IPFS, and this deployment names no node (IPFS_API_URL).",
                reason="no_node",
                retryable=False,
            ) from None
    shared = Step(SHARED, registry.get(SHARED), {}, "", credential=None)
    return Chain((shared,), (), Mode.LIVE)
