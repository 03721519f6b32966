"""What can go wrong with one-time codes."""

from integrationhub.core import catalogue
from integrationhub.core.errors import HubError, InvalidRequest


class TotpInvalid(HubError):
    """`reason`: `not_six_digits`, `wrong_code`, `already_used`, or `locked`, for `retry_after` seconds."""

    entry = catalogue.TOTP_INVALID

    def __init__(self, message: str, *, reason: str, retry_after: float | None = None) -> None:
        super().__init__(message, reason=reason, retry_after=retry_after)


def not_enrolled(enrolment_id: str) -> InvalidRequest:
    """The answer to an id that nothing has, and to another tenant's."""
    named = enrolment_id[:64]
    return InvalidRequest(f"There is no TOTP enrolment {named!r}.", status=404, reason="not_found", id=named)
