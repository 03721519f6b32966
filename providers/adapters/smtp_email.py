"""Any mail server that speaks SMTP, of the tenant's own or of a provider: RFC 5321, its codes by RFC 3463.

What is final and about the recipient or the message ends the chain; what the server's policy says of us (5.7.x), of
this sender or of the login leaves the message to another provider. What is said of some of several recipients stands in
`result.recipients`, and nobody is sent a second one for it: to who is `deferred` the caller may write later.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from integrationhub.core.outbound import AddressBlocked, AnswerLost, NotSent, mailing
from integrationhub.core.outbound.mailing import Envelope, Mailbox, Refused, Reply, Unoffered
from providers import answers, composing, mime, senders
from providers.adapter import NAMED_BY_TENANT, Adapter, Call, Receipt
from providers.anymail_family import config_schema
from providers.errors import Ambiguous, Blocked, Next, ProviderError, Retry, Stop

LARGEST_ATTACHMENTS = 25_000_000
_DEFAULT_PORTS = {"tls": 465, "starttls": 587, "none": 25}
# RFC 3463: the class, and what it is about: 7 is security and policy, 2.3 and 3.4 are a message too large, 1.7 and 1.8
# the sender's address.
_ENHANCED = re.compile(r"5\.(?P<subject>[0-9]{1,3}\.[0-9]{1,3})\b")
# A dot-atom, and a domain: RFC 5321, section 4.1.2.
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}")
_TOO_LARGE = ("2.3", "3.4")
# Many servers say what is wrong with the sender when they are told the recipient.
_SENDER = ("1.7", "1.8")
_TOO_LARGE_CODE, _LOGIN_NEEDED = 552, 530


class SmtpEmail(Adapter):
    key = "smtp_email"
    display_name = "SMTP"
    summary = "E-mail through a mail server of your own."
    docs_url = "https://www.rfc-editor.org/rfc/rfc5321"
    allowed_hosts = frozenset({NAMED_BY_TENANT})
    intents = frozenset({"message.send.email"})
    config_schema = config_schema()
    credential_schema = {
        "type": "object",
        "properties": {
            "host": {
                "type": "string",
                "pattern": r"^[A-Za-z0-9.:-]{1,253}$",
                "description": "the server's name, such as smtp.example.com",
                "examples": ["smtp.example.com"],
            },
            "port": {
                "type": "integer",
                "minimum": 1,
                "maximum": 65535,
                "description": "the port; 587 unless set, and 465 where security is tls. On the internet 25, 465, 587, "
                "2465, 2525 or 2587",
                "examples": [587],
            },
            "security": {
                "type": "string",
                "enum": ["starttls", "tls", "none"],
                "default": "starttls",
                "description": "starttls (the default) and tls are required to come about; none sends in the open, and "
                "takes no password",
            },
            "username": {
                "type": "string",
                "pattern": r"^[\x20-\x7e]{1,255}$",
                "description": "who logs in, where the server wants a login",
                "examples": ["orders@example.com"],
            },
            "password": {
                "type": "string",
                "pattern": r"^[\x20-\x7e]{1,255}$",
                "x-secret": True,
                "description": "the password of that user",
                "examples": ["an-example-of-a-password"],
            },
        },
        "required": ["host"],
        "dependentRequired": {"username": ["password"], "password": ["username"]},
        "additionalProperties": False,
    }

    def preflight(self, call: Call) -> None:
        composing.refuse(call)
        if not senders.chosen(call):
            raise senders.refused(self.display_name)

    def check(self, call: Call) -> bool:
        """Log in and leave; without a login, be greeted."""
        try:
            mailing.log_in(self.http, self._mailbox(call), call.deadline)
        except (Refused, Unoffered, NotSent) as error:
            raise self._error(call, error) from None
        return True

    def execute(self, call: Call) -> Receipt:
        if not senders.chosen(call):
            raise senders.unset(self.display_name)
        mail = composing.read(call, self.http, provider=self.display_name, largest=LARGEST_ATTACHMENTS)
        recipients = list(dict.fromkeys([*mail.to, *mail.cc, *mail.bcc]))
        written = mime.written(mail, sent_at=datetime.now(UTC))
        envelope = Envelope(_dialled(mail.sender), [_dialled(address) for address in recipients], written)
        try:
            refusals = mailing.deliver(self.http, self._mailbox(call), envelope, call.deadline)
        except AnswerLost as error:
            words = f"The message was handed over, and the server's answer was lost ({error.reason})."
            raise Ambiguous(words, reason=error.reason) from None
        except (Refused, Unoffered, NotSent) as error:
            raise self._error(call, error) from None
        told = [
            {"to": address, "id": None, **_fate(call, refusals.get(dialled))}
            for address, dialled in zip(recipients, envelope.recipients, strict=True)
        ]
        return Receipt(mail.message_id, {"status": "queued", "recipients": told})

    def _mailbox(self, call: Call) -> Mailbox:
        """Raises Next where a password would go over the wire in the open."""
        given: Mapping[str, Any] = call.secrets
        security = given.get("security", "starttls")
        if security == "none" and "password" in given:
            words = "A password is sent over TLS alone: set security to starttls or tls. Nothing was sent."
            raise Next(words, reason="password_without_tls")
        port = given.get("port", _DEFAULT_PORTS[security])
        return Mailbox(given["host"], port, security, given.get("username", ""), given.get("password", ""))

    def _error(self, call: Call, error: Refused | Unoffered | NotSent) -> ProviderError:
        if isinstance(error, Refused):
            return self._refusal(call, error)
        if isinstance(error, Unoffered):
            what = "TLS" if error.step == "starttls" else "a login that the hub knows"
            return Next(f"The mail server offers no {what}; nothing was sent.", reason=f"{error.step}_unavailable")
        words = f"The mail server cannot be spoken to ({error.reason}); nothing was sent."
        return (Blocked if isinstance(error, AddressBlocked) else Next)(words, reason=error.reason)

    def _refusal(self, call: Call, refused: Refused) -> ProviderError:
        """Of several recipients that were all refused, what might yet be taken counts before what is final."""
        replies = list(refused.replies.values()) or [refused.reply]
        kinds = {_kind(refused.step, reply): reply for reply in replies}
        kind = next(each for each in (Retry, Next, Stop) if each in kinds)
        reply = kinds[kind]
        said = _quoted(call, reply)
        return kind(
            f"The mail server refused the {refused.step} ({reply.code}){f': {said}' if said else '.'}",
            reason="message_too_large" if _is_too_large(reply) else f"smtp_{reply.code}",
            credential_refused=kind is Next and (refused.step == "login" or reply.code == _LOGIN_NEEDED),
        )


def _fate(call: Call, refusal: Reply | None) -> dict[str, Any]:
    """What is told of one recipient: `deferred` would be taken later, as by greylisting; `rejected` would never be."""
    if refusal is None:
        return {"status": "queued"}
    status = "deferred" if refusal.code // 100 == 4 else "rejected"
    return {"status": status, "code": str(refusal.code), "message": _quoted(call, refusal)}


def _quoted(call: Call, reply: Reply) -> str:
    return answers.quoted(reply.words, [call.secrets.get(name) for name in ("username", "password")])


def _kind(step: str, reply: Reply) -> type[ProviderError]:
    if reply.code // 100 == 4:
        return Retry
    if step not in ("recipient", "data", "message") or reply.code == _LOGIN_NEEDED or _is_too_large(reply):
        return Next
    subject = _subject(reply)
    return Next if subject.startswith("7.") or subject in _SENDER else Stop


def _is_too_large(reply: Reply) -> bool:
    return (reply.code == _TOO_LARGE_CODE and _subject(reply) in ("", *_TOO_LARGE)) or _subject(reply) in _TOO_LARGE


def _subject(reply: Reply) -> str:
    found = _ENHANCED.match(reply.words)
    return found["subject"] if found else ""


def _dialled(address: str) -> str:
    """The address as every server takes it, in ASCII. Raises Next for one that only some do: quoted, or with other
    letters before its @ (RFC 6531)."""
    user, _, domain = address.rpartition("@")
    with suppress(UnicodeError):
        dialled = f"{user}@{domain.encode('idna').decode()}"
        if _PLAIN.fullmatch(dialled):
            return dialled
    raise Next("An address is not one that every mail server takes; nothing was sent.", reason="unsupported_feature")
