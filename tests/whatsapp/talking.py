"""A tenant and one customer of its: what they write each other, and what Meta tells of it."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from integrationhub.core.tenancy import tenant_scope
from templates.models import MessageTemplate
from tests.make import Api
from tests.meta.graph_server import PHONE_NUMBER_ID, WABA_ID
from whatsapp import inbound
from whatsapp.inbound import Applied
from whatsapp.models import Conversation, Delivery

CUSTOMER = "+14155552671"
HELLO = {"to": CUSTOMER, "type": "text", "text": {"body": "hello"}}
SHIPPED = {
    "to": CUSTOMER,
    "template_name": "order_shipped",
    "template_language": "en",
    "template_params": {"body": ["Ada", "A-1042"]},
}
DAY = 24 * 60 * 60


class Talk:
    def __init__(self, api: Api) -> None:
        self.api, self.tenant = api, api.tenant

    def send(self, body: Any = HELLO, path: str = "/whatsapp/messages", **kwargs: Any) -> Any:
        return self.api.post(path, body, **kwargs)

    def sent(self, body: Any = HELLO, **kwargs: Any) -> dict[str, Any]:
        """The delivery of a message that went out."""
        answer = self.send(body, **kwargs)
        assert answer.status_code == 202, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def delivery(self, message_id: str) -> dict[str, Any]:
        answer = self.api.get(f"/whatsapp/deliveries/{message_id}")
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def deliveries(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get(f"/whatsapp/deliveries{query}").json()["data"]
        return found

    def window(self, phone: str = CUSTOMER) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/whatsapp/window/{phone}").json()
        return found

    def customer_writes(self, seconds_ago: float = 0, **over: Any) -> list[Applied]:
        """What Meta tells of the customer's message, in the shape of its webhooks."""
        message = {
            "from": CUSTOMER.removeprefix("+"),
            "id": f"wamid.{uuid4().hex}",
            "timestamp": str(int(time.time() - seconds_ago)),
            "type": "text",
            "text": {"body": "hi"},
            **over,
        }
        return inbound.apply_messages(tenant_id=self.tenant, value=value_of(messages=[message]))

    def meta_tells(self, *statuses: Any) -> list[bool]:
        """Of each whether it is of a message of ours."""
        with tenant_scope(self.tenant):
            values = [value_of(statuses=[each]) for each in statuses]
            moved = dict(inbound.handle_statuses(self.tenant, values))
        return [place in moved for place in range(len(statuses))]


def value_of(phone_number_id: str = PHONE_NUMBER_ID, **lists: list[Any]) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550602200", "phone_number_id": phone_number_id}
    return {"messaging_product": "whatsapp", "metadata": metadata, **lists}


def status(delivery: dict[str, Any], word: str, at: float | None = None, **over: Any) -> dict[str, Any]:
    """One status of a webhook, as Meta tells it of a message that carried our id."""
    return {
        "id": delivery["message_id"],
        "status": word,
        "timestamp": str(int(time.time() if at is None else at)),
        "recipient_id": CUSTOMER.removeprefix("+"),
        "biz_opaque_callback_data": delivery["id"],
        **over,
    }


def failure(delivery: dict[str, Any], code: int = 131026, **over: Any) -> dict[str, Any]:
    error = {
        "code": code,
        "title": "Message undeliverable",
        "message": "Message undeliverable",
        "error_data": {"details": "Message Undeliverable."},
        "href": "/documentation/business-messaging/whatsapp/support/error-codes/",
    }
    return status(delivery, "failed", **{"errors": [error], **over})


def know_template(tenant: UUID, **over: Any) -> None:
    """A template that a sync has brought."""
    name, language = over.pop("name", "order_shipped"), over.pop("language", "en")
    row = {
        "status": "APPROVED",
        "parameter_format": "POSITIONAL",
        "components": [{"type": "BODY", "text": "Hello {{1}}, order {{2}} is on its way."}],
        **over,
    }
    with tenant_scope(tenant):
        MessageTemplate.objects.create(
            tenant_id=tenant, waba_id=WABA_ID, meta_id=uuid4().hex, name=name, language=language, **row
        )


def delivered(tenant: UUID) -> Delivery:
    """One of a tenant's deliveries, and the conversation that it was part of, as rows alone."""
    pair = {"tenant_id": tenant, "phone_number_id": PHONE_NUMBER_ID}
    wamid = f"wamid.{uuid4().hex}"
    with tenant_scope(tenant):
        Conversation.objects.create(customer=CUSTOMER.removeprefix("+"), last_message_at=datetime.now(UTC), **pair)
        return Delivery.objects.create(recipient=CUSTOMER, type="text", meta_id=wamid, status="sent", **pair)
