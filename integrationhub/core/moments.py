"""Times that callers write (RFC 3339, section 5.6)."""

import re
from datetime import UTC, datetime

# No clock is further from UTC than fourteen hours, and PostgreSQL reads none that is sixteen.
_FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-](0\d|1[0-4]):[0-5]\d)", re.ASCII)


def read_moment(text: str) -> datetime | None:
    """The moment in UTC, to the microsecond; None for anything else, and for a time without its offset."""
    if not _FORM.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # The 30th of February; or, in UTC, the year 10,000.
        return None
