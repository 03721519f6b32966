"""What Meta's webhooks tell of messages: a customer's open the window and bring files, statuses move deliveries on.

Each item counts for itself. One that cannot be understood changes nothing and stops no other: the inbox keeps it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from integrationhub.core.representation import moment as written
from integrationhub.core.tenancy import tenant_scope
from integrationhub.outbox import events
from whatsapp import accounts, media, statuses, windows
from whatsapp.errors import Unreadable
from whatsapp.models import Delivery
from whatsapp.webhook_values import customer_of, id_of, items, member, moment

# What a customer has not written, or of which Meta does not say that it opens the window.
# https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
_OPENS_NOTHING = frozenset({"system", "reaction", "unsupported", "edit", "edited", "revoke", "revoked"})
LONGEST_NUMBER_ID = 64
MOST_TOLD_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of one item. `outcome`: `applied`; `nothing_to_do`; `unreadable`, and `fault` says why."""

    id: str
    outcome: str
    fault: Unreadable | None = None


def apply_messages(*, tenant_id: UUID, value: Any) -> list[Applied]:
    """Customers' messages in one `value` of the field `messages`, each for itself. Told twice, they change no more."""
    return _each(tenant_id, value, "messages", _message)


def apply_calls(*, tenant_id: UUID, value: Any) -> list[Applied]:
    """Calls in one `value` of the field `calls`: one that a customer made opens the window as a message does."""
    return _each(tenant_id, value, "calls", _called)


def handle_messages(tenant_id: UUID, value: Any) -> None:
    """For the inbox, which hands over one item at a time. Raises Unreadable for one that it has to keep and show."""
    _refuse_unreadable(apply_messages(tenant_id=tenant_id, value=value))


def handle_statuses(tenant_id: UUID, values: Sequence[Any]) -> Iterator[tuple[int, Delivery]]:
    """Of many values, each with one status: see `statuses.apply`. Raises Unreadable for any of them, at once."""
    told = [statuses.read(_number_of(value), items(value, "statuses")[0]) for value in values]
    return statuses.apply(tenant_id, told)


def handle_calls(tenant_id: UUID, value: Any) -> None:
    """The same as `handle_messages` for calls."""
    _refuse_unreadable(apply_calls(tenant_id=tenant_id, value=value))


def _refuse_unreadable(results: list[Applied]) -> None:
    for fault in (each.fault for each in results if each.fault):
        raise fault


def _each(tenant_id: UUID, value: Any, name: str, apply: Callable[[UUID, str, Any], str]) -> list[Applied]:
    return [_one(tenant_id, value, item, apply) for item in items(value, name)]


def _number_of(value: Any) -> str:
    if number := id_of(member(value, "metadata"), "phone_number_id", LONGEST_NUMBER_ID):
        return number
    raise Unreadable("no_phone_number_id")


def _one(tenant_id: UUID, value: Any, item: Any, apply: Callable[[UUID, str, Any], str]) -> Applied:
    try:
        return Applied(id_of(item, "id"), apply(tenant_id, _number_of(value), item))
    except Unreadable as fault:
        return Applied(id_of(item, "id"), "unreadable", fault)


def _message(tenant_id: UUID, phone_number_id: str, message: Any) -> str:
    kind = member(message, "type")
    if not isinstance(kind, str):
        raise Unreadable("no_type")
    customer = _customer(message)
    at = moment(message)
    opens_window = kind not in _OPENS_NOTHING and not member(message, "group_id")
    with tenant_scope(tenant_id):
        # What cannot be fetched, now or ever, is told by the row of the file: the message counts all the same.
        has_file = media.note(tenant_id=tenant_id, phone_number_id=phone_number_id, message=message)
        if opens_window:
            windows.heard(tenant_id=tenant_id, phone_number_id=phone_number_id, customer=customer, at=at)
        events.publish_if_wanted(
            tenant_id=tenant_id,
            kind="message.received",
            provider_key=accounts.KEY,
            reference=id_of(message, "id"),
            sender=customer,
            phone_number_id=phone_number_id,
            type=kind[:64],
            message=message if len(json.dumps(message)) <= MOST_TOLD_BYTES else None,
            at=written(at),
        )
    return "applied" if has_file or opens_window else "nothing_to_do"


def _called(tenant_id: UUID, phone_number_id: str, call: Any) -> str:
    """https://developers.facebook.com/documentation/business-messaging/whatsapp/calling/user-initiated-calls"""
    if member(call, "direction") != "USER_INITIATED":
        return "nothing_to_do"
    customer, at = _customer(call), moment(call)
    with tenant_scope(tenant_id):
        windows.heard(tenant_id=tenant_id, phone_number_id=phone_number_id, customer=customer, at=at)
    return "applied"


def _customer(told: Any) -> str:
    """By the id that stands for a number where there is none. Raises Unreadable."""
    wa_id, user_id = customer_of(told)
    if not (wa_id or user_id):
        raise Unreadable("no_sender")
    return wa_id or user_id
