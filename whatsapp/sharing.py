"""Whose is what Meta tells of the deployment's own number, by which every tenant without one of its own sends."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections

from integrationhub.core.ids import read_id
from integrationhub.core.operators import SYSTEM
from integrationhub.core.tenancy import TenantQuerySet
from whatsapp import numbers
from whatsapp.models import Delivery, DeliveryStatus
from whatsapp.webhook_values import customer_of, id_of, items, member

_SENDER = """
SELECT tenant_id FROM whatsapp_delivery
WHERE (meta_id = %(meta_id)s AND meta_id <> '' OR id = %(ours)s) AND phone_number_id = %(number)s
ORDER BY meta_id = %(meta_id)s DESC LIMIT 1
"""


def tenant_of(value: Any) -> UUID | None:
    """Of one `value` of the field `messages` or `calls`, told of the deployment's number: the tenant whose message a
    status, a reply or a reaction names, else the one whose message reached this customer last. None where nobody's did.
    """
    sent = Delivery.objects.using(SYSTEM).filter(phone_number_id=settings.META_WHATSAPP_PHONE_NUMBER_ID)
    for status in items(value, "statuses"):
        return _sender(id_of(status, "id"), id_of(status, "biz_opaque_callback_data"))
    for call in items(value, "calls"):
        return _last_to(sent, call)
    for message in items(value, "messages"):
        replied_to = id_of(member(message, "context"), "id") or id_of(member(message, "reaction"), "message_id")
        return _sender(replied_to) or _last_to(sent, message)
    return None


def _sender(meta_id: str, ours: str = "") -> UUID | None:
    """A status may be faster than the answer to the sending, and names our id then. Asked for each status that Meta
    sends: SQL, since the ORM costs more than the search."""
    values = {"number": settings.META_WHATSAPP_PHONE_NUMBER_ID, "meta_id": meta_id, "ours": read_id(ours)}
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(_SENDER, values)
        found = cursor.fetchone()
    return found[0] if found else None


def _last_to(sent: TenantQuerySet, told: Any) -> UUID | None:
    """Who wrote last to the customer whom this is from. What Meta did not take, or could not deliver, is no message to
    the customer: else a try would get the answer to another tenant's."""
    taken = sent.exclude(meta_id="").exclude(status=DeliveryStatus.FAILED).order_by("-id")
    wa_id, user_id = customer_of(told)
    last = taken.filter(recipient__in=[f"+{each}" for each in numbers.ids_of(wa_id)]).first() if wa_id else None
    if last is None and user_id:
        # By its index, which holds no empty id.
        last = taken.exclude(user_id="").filter(user_id=user_id).first()
    return last.tenant_id if last else None
