"""Reading what Meta's webhooks say, of which any member may be missing or another thing than its documentation has."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from whatsapp.errors import Unreadable

# Meta's times are text of whole seconds; some have come as milliseconds.
# https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
_MILLISECONDS_FROM = 10**12
_MOST_AHEAD = timedelta(days=1)
LONGEST_ID, LONGEST_CUSTOMER = 255, 160


def member(value: Any, name: str) -> Any:
    """None where there is no such member, or nothing that could have one."""
    return value.get(name) if isinstance(value, Mapping) else None


def items(value: Any, name: str) -> list[Any]:
    found = member(value, name)
    return found if isinstance(found, list) else []


def id_of(value: Any, name: str, longest: int = LONGEST_ID) -> str:
    """An id that may be kept and looked up; empty where there is none."""
    found = member(value, name)
    is_id = isinstance(found, str) and len(found) <= longest and found.isascii() and found.isprintable()
    return found if is_id else ""


def customer_of(told: Any) -> tuple[str, str]:
    """WhatsApp's id of the customer whom a message or a call is from, and the id that stands for one with a name: such
    a user may come without the other. Empty is what is not told.
    https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
    """
    sender, user_id = (
        id_of(told, "from", LONGEST_CUSTOMER).removeprefix("+"),
        id_of(told, "from_user_id", LONGEST_CUSTOMER),
    )
    # The id has been seen in the number's place.
    return (sender, user_id) if sender.isdigit() else ("", user_id or sender)


def moment(value: Any) -> datetime:
    """Meta's time, never after our own. Raises Unreadable."""
    said = member(value, "timestamp")
    digits = str(said) if isinstance(said, str | int) and not isinstance(said, bool) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        raise Unreadable("bad_timestamp")
    seconds = int(digits) / 1000 if int(digits) >= _MILLISECONDS_FROM else int(digits)
    now = datetime.now(UTC)
    if not 0 < seconds < (now + _MOST_AHEAD).timestamp():
        raise Unreadable("bad_timestamp")
    # A clock that is ahead would keep a window open for longer than Meta does.
    return min(datetime.fromtimestamp(seconds, UTC), now)
