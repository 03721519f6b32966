"""How an exchange fails, told apart by one question: may the request have reached the other side?"""


class OutboundError(Exception):
    """An exchange that brought no answer. `reason` is a lower_snake word; no address or secret is in the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(OutboundError):
    """It certainly did not: `invalid_url`, `invalid_request`, `deadline_exceeded`, `dns`, `refused`,
    `connect_timeout`, `tls`, `not_connected`. An address that may not be dialled is `refused` too."""


class AddressBlocked(NotSent):
    """Not every address of the host may be dialled, or not at this port. The reason is `refused`."""

    def __init__(self) -> None:
        super().__init__("refused")


class AnswerLost(OutboundError):
    """It may have: `read_timeout`, `connection_lost`, `answer_too_large`, `unreadable_answer`."""
