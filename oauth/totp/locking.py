"""How many wrong codes an account may have. It follows from their times alone, which the database keeps: there is
nothing that could be lost, and without the database no code is right."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain

from oauth.totp.models import Enrolment

# So many within this time lock the account for as long again. https://www.rfc-editor.org/rfc/rfc4226#section-7.3
LIMITS = ((5, timedelta(minutes=5)), (20, timedelta(hours=1)), (50, timedelta(days=1)))
MOST_KEPT = max(most for most, _ in LIMITS)


def failures(enrolments: Iterable[Enrolment]) -> list[datetime]:
    """When the wrong codes of an account came, the latest last."""
    return sorted(chain.from_iterable(each.failed_at for each in enrolments))


def locked_until(failed_at: Sequence[datetime]) -> datetime | None:
    """Until when the account is locked by what has failed; the time may have passed. None where it never was."""
    ends = [
        failed_at[-1] + window
        for most, window in LIMITS
        if len(failed_at) >= most and failed_at[-1] - failed_at[-most] < window
    ]
    return max(ends, default=None)
