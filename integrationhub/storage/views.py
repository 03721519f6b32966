from collections.abc import Sequence

from django.http import FileResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest
from integrationhub.core.multipart import FormParser
from integrationhub.core.strict_json import StrictJSONParser
from integrationhub.execution.models import Attempt, Execution
from integrationhub.execution.replaying import keyed_execution
from integrationhub.execution.views import MIB, ExecutionDoor
from integrationhub.idempotency import answers
from integrationhub.storage import ipfs_files
from integrationhub.storage.answer import represent
from integrationhub.storage.serializers import ADD_BODY, KEEP_BODY, AddedShape, KeptShape

REFUSALS = (
    catalogue.IPFS_UNAVAILABLE,
    catalogue.ALL_PROVIDERS_FAILED,
    catalogue.NO_PROVIDERS,
    catalogue.CREDENTIAL_NOT_FOUND,
    catalogue.CREDENTIAL_EXPIRED,
    catalogue.QUOTA_EXCEEDED,
    catalogue.EXECUTION_FAILED,
)


class Content(FileResponse):
    """As a file to save, in pieces: what somebody put on IPFS is shown by no browser as a page of the hub's."""

    block_size = 64 * 1024


class IpfsDoor(ExecutionDoor):
    success_status = 200

    def succeeded(self, execution: Execution, attempts: Sequence[Attempt]) -> HttpResponseBase:
        return Response(represent(execution), status=self.success_status)


class IpfsFiles(IpfsDoor):
    """A form with a `file` of up to 100 MiB, which is read and sent on by pieces; or JSON with `content` in base64."""

    max_form_bytes = 100 * MIB + 64 * 1024
    parser_classes = [StrictJSONParser, FormParser]
    success_status = 201
    roles = {"POST": "organizer"}
    failures = {"POST": REFUSALS}

    @extend_schema(summary="Put a file on IPFS, and keep it there", request=ADD_BODY, responses={201: AddedShape})
    @keyed_execution
    def post(self, request: HubRequest, version: str, key: answers.Key | None) -> HttpResponseBase:
        run = ipfs_files.add(request, key)
        return self.succeeded(run.execution, run.attempts)


class IpfsFile(IpfsDoor):
    """The bytes themselves, after the hub has checked them against their address."""

    gives_files = True
    roles = {"GET": "organizer"}
    failures = {"GET": REFUSALS}

    @extend_schema(summary="Read a file from IPFS", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: HubRequest, version: str, cid: str) -> Content:
        return Content(
            ipfs_files.get(request, cid),
            as_attachment=True,
            filename=ipfs_files.read(cid),
            content_type="application/octet-stream",
        )


class IpfsPin(IpfsDoor):
    body_is_optional = True
    roles = {"POST": "organizer", "DELETE": "organizer"}
    failures = {"POST": REFUSALS, "DELETE": REFUSALS}

    @extend_schema(summary="Keep what is on IPFS already", request=KEEP_BODY, responses={200: KeptShape})
    @keyed_execution
    def post(self, request: HubRequest, version: str, cid: str, key: answers.Key | None) -> HttpResponseBase:
        run = ipfs_files.pin(request, cid, key)
        return self.succeeded(run.execution, run.attempts)

    @extend_schema(summary="Stop keeping it", request=None, responses={204: None})
    def delete(self, request: HubRequest, version: str, cid: str) -> Response:
        ipfs_files.unpin(request, cid)
        return Response(status=204)
