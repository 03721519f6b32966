"""What django-anymail does for us: it writes one message as a service's request, and reads what that answered.

https://anymail.dev/en/stable/sending/. Nothing imports this module: it brings Django's mail with it, and is loaded by
its name when the first message is sent (`anymail_family.py`). A backend is made for each call from the tenant's own
secrets, so that nothing of Django's settings and nothing of another tenant is in it; its own session is never opened.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymail.exceptions import AnymailError, AnymailInvalidAddress, AnymailUnsupportedFeature  # type: ignore[import-untyped]
from anymail.message import AnymailMessage  # type: ignore[import-untyped]
from anymail.utils import EmailAddress, parse_address_list  # type: ignore[import-untyped]

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import session_over
from integrationhub.core.outbound.sessions import Asks
from providers.composing import Attachment, Mail

# What a parser that expects its service's answer does with another one.
_MISREADINGS = (AnymailError, LookupError, TypeError, AttributeError, ValueError, RecursionError)


class Unsupported(Exception):
    """The service has no way to say this; the text says what."""


class Unwritable(Exception):
    """No service could: an address is none."""


class Unreadable(Exception):
    """The answer is not the one that the service documents."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """What the service says of one recipient: `status` is one of sent, queued, invalid, rejected, failed, unknown."""

    address: str
    status: str
    id: str


class Sending:
    """One message by one service; it is written at once. Raises Unsupported or Unwritable."""

    def __init__(self, service: str, mail: Mail, *, options: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        backend = importlib.import_module(f"anymail.backends.{service}").EmailBackend
        try:
            self._backend = backend(**options)
            self._message = _letter(mail, more)
            self._payload = self._backend.build_message_payload(self._message, {})
            self._request = self._payload.get_request_params(self._backend.api_url)
        except AnymailUnsupportedFeature as error:
            raise Unsupported(str(error.args[0])) from None
        except AnymailInvalidAddress:
            raise Unwritable from None

    def make(self, door: Asks, deadline: Deadline, headers: Mapping[str, str]) -> list[Recipient]:
        """Exchange it; what `door` raises is raised. Raises Unreadable where the answer is no success of the
        service's."""
        request = {**self._request, "headers": {**(self._request["headers"] or {}), **headers}}
        session = session_over(door)
        response = session.request(**request, timeout=deadline.remaining(), allow_redirects=False)
        try:
            said = self._backend.parse_recipient_status(response, self._payload, self._message)
            return [_recipient(address, each) for address, each in said.items()]
        except _MISREADINGS:
            raise Unreadable from None


def _recipient(address: str, said: Any) -> Recipient:
    return Recipient(address, said.status or "unknown", "" if said.message_id is None else str(said.message_id))


def _letter(mail: Mail, more: Mapping[str, Any]) -> AnymailMessage:
    for address in (mail.sender, *mail.to, *mail.cc, *mail.bcc, *filter(None, [mail.reply_to])):
        _refuse_other_than_one(address)
    members = {
        "subject": mail.subject,
        "body": mail.text or mail.html,
        "from_email": EmailAddress(mail.sender_name, mail.sender).address,
        "to": list(mail.to),
        "cc": list(mail.cc),
        "bcc": list(mail.bcc),
        "reply_to": [mail.reply_to] if mail.reply_to else [],
        "headers": dict(mail.headers),
    }
    message = AnymailMessage(**{**members, **more})
    if mail.html and mail.text:
        message.attach_alternative(mail.html, "text/html")
    elif mail.html:
        message.content_subtype = "html"
    for attachment in mail.attachments:
        message.attach(attachment.filename, attachment.content, _type_of(attachment))
    return message


def _refuse_other_than_one(address: str) -> None:
    """Headers are read leniently: what is read has to be the one address that was given, and nobody else's."""
    if [each.format() for each in parse_address_list([address])] != [address]:
        raise Unwritable


def _type_of(attachment: Attachment) -> str:
    """What has parts of its own is passed on as bytes."""
    kind = attachment.content_type.partition("/")[0].lower()
    return "application/octet-stream" if kind in ("multipart", "message") else attachment.content_type
