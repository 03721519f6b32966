"""Whose is what Meta tells of the deployment's own number, by which every tenant without one of its own sends."""

from collections.abc import Sequence
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

# A statement of any length would at some length be too slow for its time-out.
AT_ONCE = 500
# Asked for each status that Meta sends: for many in one statement, each found by an index.
_SENDERS = """
SELECT sent.tenant_id FROM unnest(%(meta_ids)s::text[], %(ours)s::uuid[]) WITH ORDINALITY AS told (meta_id, ours, place)
LEFT JOIN LATERAL (
    SELECT tenant_id FROM whatsapp_delivery
    WHERE (meta_id = told.meta_id AND meta_id <> '' OR id = told.ours) AND phone_number_id = %(number)s
    ORDER BY meta_id = told.meta_id DESC LIMIT 1
) AS sent ON true
ORDER BY told.place
"""


def tenants_of(values: Sequence[Any]) -> list[UUID | None]:
    """Of each `value` of the field `messages` or `calls`, told of the deployment's number: the tenant whose message a
    status, a reply or a reaction names, else the one whose message reached this customer last. None where nobody's did.
    """
    sent = [_sent(value) for value in values]
    senders = [each for start in range(0, len(sent), AT_ONCE) for each in _senders(sent[start : start + AT_ONCE])]
    return [sender or _last_to_whom(value) for sender, value in zip(senders, values, strict=True)]


def _sent(value: Any) -> tuple[str, str]:
    """The message that is named, by Meta's id and by ours: a status may be faster than the answer to the sending."""
    for status in items(value, "statuses")[:1]:
        return id_of(status, "id"), id_of(status, "biz_opaque_callback_data")
    for message in items(value, "messages")[:1]:
        return id_of(member(message, "context"), "id") or id_of(member(message, "reaction"), "message_id"), ""
    return "", ""


def _senders(sent: Sequence[tuple[str, str]]) -> list[UUID | None]:
    values = {
        "number": settings.META_WHATSAPP_PHONE_NUMBER_ID,
        "meta_ids": [meta_id for meta_id, _ in sent],
        "ours": [read_id(ours) for _, ours in sent],
    }
    with connections[SYSTEM].cursor() as cursor:
        cursor.execute(_SENDERS, values)
        return [tenant_id for (tenant_id,) in cursor.fetchall()]


def _last_to_whom(value: Any) -> UUID | None:
    if items(value, "statuses"):
        return None
    sent = Delivery.objects.using(SYSTEM).filter(phone_number_id=settings.META_WHATSAPP_PHONE_NUMBER_ID)
    return next((_last_to(sent, told) for told in [*items(value, "calls"), *items(value, "messages")]), None)


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
