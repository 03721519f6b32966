"""The 24 hours after a customer's message, in which a business may write what it likes; outside them, templates only.

https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages#customer-service-windows
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from integrationhub.core.ids import new_id
from integrationhub.core.operators import SYSTEM
from integrationhub.core.representation import moment
from integrationhub.core.tenancy import tenant_scope
from providers import phones
from providers.errors import InvalidPhone
from whatsapp import accounts, numbers
from whatsapp.errors import TemplateRequired, WhatsappNotConfigured
from whatsapp.models import Conversation, Delivery

LENGTH = timedelta(hours=24)
# What is sent in the last moments may reach Meta after them, and would fail later, where nobody waits for it.
MARGIN = timedelta(seconds=10)

# Messages come in any order, and twice: the latest counts, whenever it is told.
HEARD = """
INSERT INTO whatsapp_conversation AS known (id, tenant_id, phone_number_id, customer, last_message_at)
VALUES (%(id)s, %(tenant_id)s, %(phone_number_id)s, %(customer)s, %(at)s)
ON CONFLICT (tenant_id, phone_number_id, customer) DO UPDATE SET last_message_at = excluded.last_message_at
WHERE known.last_message_at < excluded.last_message_at
"""


@dataclass(frozen=True, slots=True)
class Window:
    """`closes_at` is None where the customer has never written to this number."""

    phone: str
    closes_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.closes_at is not None and datetime.now(UTC) < self.closes_at


def heard(*, tenant_id: UUID, phone_number_id: str, customer: str, at: datetime) -> None:
    """A customer (WhatsApp's id) has written to this number, by Meta's clock; inside the caller's `tenant_scope`."""
    values: dict[str, Any] = {
        "id": new_id(),
        "tenant_id": tenant_id,
        "phone_number_id": phone_number_id,
        "customer": customer,
        "at": at,
    }
    with connection.cursor() as cursor:
        cursor.execute(HEARD, values)


def of(*, tenant_id: UUID, phone_number_id: str, phone: str) -> Window:
    """The window between this business number and a customer's number in E.164.

    Meta counts it by the pair of numbers: with the deployment's number it is open for all tenants that send by it,
    whomever of them the customer wrote to.
    """
    if accounts.is_deployments(phone_number_id):
        shared = Conversation.objects.using(SYSTEM).all(), Delivery.objects.using(SYSTEM).all()
        latest = _latest(*shared, phone_number_id, phone)
    else:
        with tenant_scope(tenant_id):
            own = Conversation.objects.for_tenant(tenant_id), Delivery.objects.for_tenant(tenant_id)
            latest = _latest(*own, phone_number_id, phone)
    return Window(phone, latest + LENGTH if latest else None)


def _latest(
    talks: QuerySet[Conversation], sent: QuerySet[Delivery], phone_number_id: str, phone: str
) -> datetime | None:
    """A customer with a name may have written under an id without a number: Meta told which, of our last message."""
    ids = numbers.ids_of(phone)
    to_them = sent.filter(phone_number_id=phone_number_id, recipient__in=[f"+{each}" for each in ids])
    named = to_them.exclude(user_id="").order_by("-id").values_list("user_id", flat=True)[:1]
    theirs = talks.filter(phone_number_id=phone_number_id, customer__in=[*ids, *named])
    return theirs.order_by("-last_message_at").values_list("last_message_at", flat=True).first()


def with_customer(*, tenant_id: UUID, phone: str) -> Window:
    """The window between the tenant's own number and a customer's. Raises InvalidPhone or WhatsappNotConfigured."""
    if reason := phones.check(phone):
        raise InvalidPhone("The phone number must be in E.164, such as +14155552671.", reason=reason)
    phone_number_id = accounts.phone_number_id_of(tenant_id)
    if not phone_number_id:
        raise WhatsappNotConfigured(reason="no_account")
    return of(tenant_id=tenant_id, phone_number_id=phone_number_id, phone=phone)


def require_open(window: Window) -> None:
    """Raises TemplateRequired when only a template may go out now."""
    if window.closes_at is None:
        raise TemplateRequired(
            "The customer has not written to this number, so that only a template may be sent.", closed_at=None
        )
    if datetime.now(UTC) >= window.closes_at - MARGIN:
        raise TemplateRequired(
            "24 hours have passed since the customer's last message, so that only a template may be sent.",
            closed_at=moment(window.closes_at),
        )
