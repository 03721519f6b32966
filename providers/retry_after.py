"""The header Retry-After in all the forms that servers send: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 300.0
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:\s*,\s*[0-9]+(?:\.[0-9]*)?)*")


def seconds_to_wait(headers: Mapping[str, str], longest: float = LONGEST_SECONDS) -> float | None:
    """Seconds from 0 to `longest`; None where the header is missing or says nothing usable, such as a negative number.

    Several numbers (a proxy added its own) count as the longest. A date is measured from the answer's own `Date`, since
    the two clocks may differ by minutes; only where that is missing too, from this machine's.
    """
    said = headers.get("Retry-After", "").strip()
    if _NUMBERS.fullmatch(said):
        return min(longest, max(float(number) for number in said.split(",")))
    until = _moment(said)
    if until is None:
        return None
    now = _moment(headers.get("Date", "")) or datetime.now(UTC)
    return min(longest, max(0.0, (until - now).total_seconds()))


def _moment(said: str) -> datetime | None:
    """Any of HTTP's three forms of a date, the two obsolete ones included; a date without a zone is in GMT."""
    try:
        parsed = parsedate_to_datetime(said)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
