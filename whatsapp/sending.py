"""One message out, for both doors: the API's own endpoints, and an execution of `message.send.whatsapp`.

What may have been sent is never sent again: Meta has no key against a second sending. So the delivery is committed, as
`unknown`, before Meta is called, and its id goes along; whatever becomes of the call, a webhook with that id tells.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError

from integrationhub.core import catalogue
from integrationhub.core.deadline import Deadline
from integrationhub.core.exception_handler import DATABASE_AWAY
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import let_go_of_connection
from integrationhub.idempotency import answers
from providers.adapter import Call, Receipt
from providers.errors import Next, ProviderError
from providers.meta_graph import MetaGraph
from templates import doubting
from whatsapp import accounts, deliveries, files, messages, pacing, preflight
from whatsapp.errors import NotDelivered, outcome_unknown
from whatsapp.messages import Message
from whatsapp.models import Delivery, DeliveryStatus

log = structlog.get_logger(__name__)

# Of a request at the endpoint, but for its file (`files.SECONDS`), and of the one call that sends.
REQUEST_SECONDS = 20.0
CALL_SECONDS = 8.0
# With less left after its file, nothing is sent: an answer that is not waited for leaves the outcome unknown.
LEAST_SECONDS = 2.0
NOT_RECORDED = (DatabaseError, *DATABASE_AWAY)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sends. `attempt_id` is set where it is an execution's attempt, which the quota has counted already."""

    subject: str = ""
    request_id: str = ""
    attempt_id: UUID | None = None


def send(*, tenant_id: UUID, message: Message, origin: Origin, key: answers.Key | None = None) -> Delivery:
    """Send a message now.

    Raises what `check`, `files.brought` and `pacing.take` do, QuotaExceeded, deliveries.KeyTaken: nothing was stored
    then. After that NotDelivered: the delivery records why.
    """
    deadline = Deadline.after(REQUEST_SECONDS)
    graph = accounts.graph_to_send_by(tenant_id, deadline)
    ready = preflight.ready(tenant_id=tenant_id, phone_number_id=graph.account.phone_number_id, message=message)
    ready = files.brought(ready, graph, Deadline.after(files.SECONDS))
    pacing.take(graph.account.phone_number_id, ready.to)
    delivery = _delivery(tenant_id, graph, ready, message, origin)
    deliveries.begin(delivery, key, is_counted=True)
    try:
        sent = _called(delivery, ready, graph, Deadline.after(CALL_SECONDS))
    except ProviderError as error:
        accounts.note(tenant_id, error)
        sent = _not_taken(delivery, error)
        if sent.error:
            raise NotDelivered(str(delivery.id), sent.error) from error
    except NOT_RECORDED as error:
        log.exception("What came of a message could not be recorded.", delivery_id=str(delivery.id))
        raise NotDelivered(str(delivery.id), outcome_unknown()) from error
    if graph.account.was_refused:
        accounts.note(tenant_id, None)
    return sent


def check(*, tenant_id: UUID, message: Message) -> Message:
    """All that can be checked without sending; the message that would go out.

    Raises SwitchedOff, WhatsappNotConfigured, TemplateRequired, TemplateNotFound, InvalidTemplateParams.
    """
    account = accounts.graph_to_send_by(tenant_id, Deadline.after(REQUEST_SECONDS)).account
    return preflight.ready(tenant_id=tenant_id, phone_number_id=account.phone_number_id, message=message)


def refuse_early(call: Call) -> None:
    """The same for an adapter's `preflight`, which is given no secrets."""
    message = messages.from_intent(call.payload)
    if number := accounts.phone_number_id_of(call.tenant_id):
        preflight.ready(tenant_id=call.tenant_id, phone_number_id=number, message=message)


def send_for(call: Call, graph: MetaGraph) -> Receipt:
    """Send for an adapter's `execute`. Raises a ProviderError; or what `check` does, and has not sent then.

    The executor has counted it: each attempt has a delivery of its own.
    """
    message = messages.from_intent(call.payload)
    ready = preflight.ready(tenant_id=call.tenant_id, phone_number_id=graph.account.phone_number_id, message=message)
    ready = files.brought(ready, graph, call.deadline)
    if ready.file and not ready.file.media_id and call.deadline.remaining() < LEAST_SECONDS:
        raise Next(
            "The file of the message took so long that too little time was left; nothing was sent.",
            reason="deadline",
            entry=catalogue.WHATSAPP_UNAVAILABLE,
        )
    pacing.take(graph.account.phone_number_id, ready.to, in_chain=True)
    delivery = _delivery(call.tenant_id, graph, ready, message, Origin(attempt_id=call.attempt_id))
    deliveries.begin(delivery, None, is_counted=False)
    try:
        delivery = _called(delivery, ready, graph, call.deadline)
    except ProviderError as error:
        delivery = _not_taken(delivery, error)
        if delivery.error:
            raise
    known = {"delivery_id": str(delivery.id), "wa_id": delivery.wa_id or None, "user_id": delivery.user_id or None}
    return Receipt(delivery.meta_id, {**known, "used_fallback_template": delivery.used_fallback})


def mark_read(*, tenant_id: UUID, message_id: str, typing: bool) -> None:
    """Show a customer's message as read. Raises SwitchedOff, WhatsappNotConfigured or a ProviderError."""
    deadline = Deadline.after(CALL_SECONDS)
    accounts.graph_to_send_by(tenant_id, deadline).mark_read(message_id, deadline, typing=typing)


def _delivery(tenant_id: UUID, graph: MetaGraph, ready: Message, asked: Message, origin: Origin) -> Delivery:
    return Delivery(
        id=new_id(),
        tenant_id=tenant_id,
        phone_number_id=graph.account.phone_number_id,
        recipient=ready.to,
        type=ready.kind,
        template_name=ready.template.name if ready.template else "",
        template_language=ready.template.language if ready.template else "",
        used_fallback=ready.kind != asked.kind,
        status=DeliveryStatus.UNKNOWN,
        subject=origin.subject,
        request_id=origin.request_id,
        attempt_id=origin.attempt_id,
    )


def _called(delivery: Delivery, message: Message, graph: MetaGraph, deadline: Deadline) -> Delivery:
    let_go_of_connection()
    try:
        sent = graph.send(_body(delivery, message), deadline.within(CALL_SECONDS))
    except ProviderError as error:
        pacing.learn(error, delivery.phone_number_id, delivery.recipient)
        doubting.learn(delivery.tenant_id, error)
        raise
    return deliveries.accepted(delivery, sent)


def _not_taken(delivery: Delivery, error: ProviderError) -> Delivery:
    """The delivery as it stands now. It has no error where a webhook has told meanwhile that Meta took it after all;
    where the row cannot be written, what is known here is told all the same."""
    try:
        return deliveries.refused(delivery, error)
    except NOT_RECORDED:
        log.exception("What came of a message could not be recorded.", delivery_id=str(delivery.id))
        delivery.error = deliveries.failure(error)
        return delivery


def _body(delivery: Delivery, message: Message) -> dict[str, Any]:
    """https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages

    The number keeps its plus sign: without it Meta would put the business's own country code before it.
    """
    body: dict[str, Any] = {
        "to": message.to,
        "type": message.kind,
        message.kind: message.content,
        "biz_opaque_callback_data": str(delivery.id),
    }
    if message.reply_to:
        body["context"] = {"message_id": message.reply_to}
    return body
