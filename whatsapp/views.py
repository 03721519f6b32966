from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.response import Response

from integrationhub.core import catalogue
from integrationhub.core.http import HubRequest
from integrationhub.core.multipart import FormParser
from integrationhub.core.pagination import PageParameters, filters, page
from integrationhub.core.representation import moment
from integrationhub.core.strict_json import StrictJSONParser
from integrationhub.core.tenancy import tenant_scope
from integrationhub.core.views import HubView
from integrationhub.idempotency import answers
from integrationhub.idempotency.keyed import keyed
from whatsapp import deliveries, fetching, messages, sending, windows
from whatsapp.answer import represent, represent_file
from whatsapp.replaying import keyed_delivery
from whatsapp.serializers import (
    MEDIA_BODY,
    MESSAGE_BODY,
    READ_BODY,
    CheckedShape,
    ConversationWindowShape,
    DeliveryFilters,
    DeliveryPage,
    DeliveryShape,
    FileShape,
    ReadShape,
)

MIB = 1024 * 1024
CREDENTIAL = (catalogue.WHATSAPP_NOT_CONFIGURED, catalogue.CREDENTIAL_EXPIRED, catalogue.EXECUTION_FAILED)
LOCAL = (
    catalogue.NO_PROVIDERS,
    catalogue.INVALID_PHONE,
    catalogue.TEMPLATE_REQUIRED,
    catalogue.TEMPLATE_NOT_FOUND,
    catalogue.INVALID_TEMPLATE_PARAMS,
    *CREDENTIAL,
)
OF_META = (
    catalogue.WHATSAPP_UNAVAILABLE,
    catalogue.META_INVALID_PARAM,
    catalogue.META_RATE_LIMIT,
    catalogue.META_TEMPLATE_NOT_FOUND,
    catalogue.META_TEMPLATE_PAUSED,
    catalogue.META_UNAUTHORIZED,
    catalogue.META_UNDELIVERABLE,
)
SENDING = (*LOCAL, catalogue.QUOTA_EXCEEDED, *OF_META)
EXAMPLES = [
    OpenApiExample(
        "Text, while the window is open",
        value={"to": "+14155552671", "type": "text", "text": {"body": "It is on its way."}},
        request_only=True,
    ),
    OpenApiExample(
        "A template",
        value={
            "to": "+14155552671",
            "template_name": "order_shipped",
            "template_language": "en",
            "template_params": {"body": ["Ada", "A-1042"]},
        },
        request_only=True,
    ),
]


def _origin(request: HubRequest) -> sending.Origin:
    return sending.Origin(subject=request.user.subject, request_id=request.request_id)


class Messages(HubView):
    """A message is an execution of the month's quota. `unknown` and `outcome_unknown` are never sent again by itself:
    the delivery tells, once Meta has."""

    roles = {"POST": "organizer"}
    failures = {"POST": SENDING}

    @extend_schema(summary="Send a message", request=MESSAGE_BODY, examples=EXAMPLES, responses={202: DeliveryShape})
    @keyed_delivery
    def post(self, request: HubRequest, version: str, key: answers.Key | None) -> Response:
        message = messages.from_request(request.data)
        sent = sending.send(tenant_id=request.user.tenant_id, message=message, origin=_origin(request), key=key)
        return Response(represent(sent), status=202)


class Media(HubView):
    """The file is uploaded to Meta before the message is sent; an address of one is fetched for that.

    As JSON with `url`, `media_id` or `content`, or as a form with a file, in which `fallback_template` is JSON."""

    # As much as executions take: a file stands in the body, in base64. A form may have more around its file than in it.
    max_body_bytes = 16 * MIB
    max_form_bytes = 100 * MIB + 64 * 1024
    parser_classes = [StrictJSONParser, FormParser]
    roles = {"POST": "organizer"}
    failures = {"POST": SENDING}

    @extend_schema(
        summary="Send an image, video, audio, document or sticker", request=MEDIA_BODY, responses={202: DeliveryShape}
    )
    @keyed_delivery
    def post(self, request: HubRequest, version: str, key: answers.Key | None) -> Response:
        file = request.FILES.get("file")
        message = messages.from_media_form(request.data, file) if file else messages.from_media_request(request.data)
        sent = sending.send(tenant_id=request.user.tenant_id, message=message, origin=_origin(request), key=key)
        return Response(represent(sent), status=202)


class MediaDownload(HubView):
    """Fetched from Meta once, checked against its SHA-256, and kept; from then on the answer is a fresh address.

    Meta keeps what a customer has sent for seven days. Files of messages are fetched without being asked for."""

    roles = {"POST": "organizer"}
    failures = {"POST": (catalogue.WHATSAPP_MEDIA_DOWNLOAD_FAILED, *CREDENTIAL)}
    body_is_optional = True

    @extend_schema(
        summary="Fetch a customer's file, and get an address for it", request=None, responses={200: FileShape}
    )
    @keyed
    def post(self, request: HubRequest, version: str, media_id: str) -> Response:
        return Response(represent_file(fetching.kept(tenant_id=request.user.tenant_id, media_id=media_id)))


class CheckMessage(HubView):
    roles = {"POST": "organizer"}
    failures = {"POST": LOCAL}

    @extend_schema(
        summary="Check a message; sends and counts nothing",
        request=MESSAGE_BODY,
        examples=EXAMPLES,
        responses={200: CheckedShape},
    )
    def post(self, request: HubRequest, version: str) -> Response:
        message = messages.from_request(request.data)
        ready = sending.check(tenant_id=request.user.tenant_id, message=message)
        shown = {"valid": True, "type": ready.kind, "used_fallback_template": ready.kind != message.kind}
        return Response({**shown, "preview": ready.preview})


class ReadMark(HubView):
    roles = {"POST": "organizer"}
    failures = {"POST": (catalogue.NO_PROVIDERS, *CREDENTIAL, *OF_META)}

    @extend_schema(
        summary="Show a customer's message as read, and that an answer is being written",
        request=READ_BODY,
        responses={200: ReadShape},
    )
    @keyed
    def post(self, request: HubRequest, version: str) -> Response:
        message_id, typing = messages.read_mark(request.data)
        sending.mark_read(tenant_id=request.user.tenant_id, message_id=message_id, typing=typing)
        return Response({"message_id": message_id, "read": True})


class Deliveries(HubView):
    roles = {"GET": "organizer"}

    @extend_schema(
        summary="List deliveries, newest first",
        parameters=[DeliveryFilters, PageParameters],
        responses={200: DeliveryPage},
    )
    def get(self, request: HubRequest, version: str) -> Response:
        wanted: dict[str, Any] = filters(request, DeliveryFilters)
        tenant_id = request.user.tenant_id
        with tenant_scope(tenant_id):
            return Response(page(request, deliveries.matching(tenant_id=tenant_id, **wanted), serialize=represent))


class OneDelivery(HubView):
    roles = {"GET": "organizer"}
    failures = {"GET": (catalogue.DELIVERY_NOT_FOUND,)}

    @extend_schema(summary="Show one delivery, by our id or Meta's", responses={200: DeliveryShape})
    def get(self, request: HubRequest, version: str, message_id: str) -> Response:
        return Response(represent(deliveries.get(tenant_id=request.user.tenant_id, message_id=message_id)))


class Window(HubView):
    roles = {"GET": "organizer"}
    failures = {"GET": (catalogue.INVALID_PHONE, catalogue.WHATSAPP_NOT_CONFIGURED)}

    @extend_schema(
        summary="Show whether a customer's 24 hours are open, in which anything may be sent",
        responses={200: ConversationWindowShape},
    )
    def get(self, request: HubRequest, version: str, phone: str) -> Response:
        window = windows.with_customer(tenant_id=request.user.tenant_id, phone=phone)
        closes_at = window.closes_at and moment(window.closes_at)
        return Response({"phone": window.phone, "open": window.is_open, "closes_at": closes_at})
