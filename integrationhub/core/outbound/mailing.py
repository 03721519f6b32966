"""Mail handed to a server of the tenant's own, by SMTP (RFC 5321) over our own dialling.

smtplib speaks, but opens nothing: the address is judged and dialled as any other, and every byte is under one deadline.
A login is sent over TLS alone. Until the message has been begun, whatever goes wrong has sent nothing.
"""

import re
import smtplib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import messages
from integrationhub.core.outbound.client import Client
from integrationhub.core.outbound.dialling import Dialler, Origin
from integrationhub.core.outbound.errors import AnswerLost, NotSent, OutboundError
from integrationhub.core.outbound.exchange import BoundedSocket, Exchange, exchanging

Security = Literal["tls", "starttls", "none"]
Step = Literal["greeting", "hello", "starttls", "login", "sender", "recipient", "data", "message"]
_BEFORE_A_LINES_DOT = re.compile(rb"(?m)^\.")
_OK, _READY_FOR_TLS, _BEGIN_MESSAGE = 250, 220, 354


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A server, and who logs in there; without a user nobody does. `tls` is TLS from the first byte."""

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    words: str


class Refused(Exception):
    """The server said no, and has taken nothing; `replies` are those to each recipient where it refused them all."""

    def __init__(self, step: Step, reply: Reply, replies: dict[str, Reply] | None = None) -> None:
        super().__init__(step)
        self.step, self.reply, self.replies = step, reply, replies or {}


class Unoffered(Exception):
    """The server does not offer what is asked of it: `starttls`, or `login` by a way that we know."""

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        self.step = step


class Envelope(NamedTuple):
    sender: str
    recipients: Sequence[str]
    message: bytes


def deliver(client: Client, mailbox: Mailbox, envelope: Envelope, deadline: Deadline) -> dict[str, Reply]:
    """Hand over one message; returns the refusals of those recipients that it was not taken for.

    Raises Refused, Unoffered or NotSent where nothing was taken, and AnswerLost where nobody knows.
    """
    with _talking(client.dialler, mailbox, deadline) as talk:
        return talk.hand_over(envelope)


def log_in(client: Client, mailbox: Mailbox, deadline: Deadline) -> None:
    """Greet and log in, and send nothing. Raises as `deliver` does, without AnswerLost."""
    with _talking(client.dialler, mailbox, deadline):
        pass


@contextmanager
def _talking(dialler: Dialler, mailbox: Mailbox, deadline: Deadline) -> Iterator["_Talk"]:
    """A conversation that has come as far as the login."""
    if deadline.remaining() <= 0:
        raise NotSent("deadline_exceeded")
    shown = f"[{mailbox.host}]" if ":" in mailbox.host else mailbox.host
    host = messages.target(f"https://{shown}:{mailbox.port}/").origin.host
    talk = None
    with exchanging(deadline) as exchange:
        try:
            talk = _Talk(dialler, host, mailbox, deadline)
            talk.open()
            yield talk
            with suppress(OSError, smtplib.SMTPException):
                talk.putcmd("QUIT")
        except (smtplib.SMTPException, OSError, ValueError, AnswerLost) as error:
            # Words of smtplib's may hold what was said to the server.
            raise _failure(exchange, talk is not None and talk.is_told, error) from None
        finally:
            if talk:
                talk.close()


def _failure(exchange: Exchange, is_told: bool, error: Exception) -> OutboundError:
    reason = exchange.lost or (error.reason if isinstance(error, OutboundError) else "unreadable_answer")
    return AnswerLost(reason) if is_told else NotSent(reason)


class _Talk(smtplib.SMTP):
    """`is_told` once the message has been begun."""

    is_told = False
    sock: Any
    file: Any

    def __init__(self, dialler: Dialler, host: str, mailbox: Mailbox, deadline: Deadline) -> None:
        bare, connecting = dialler.reach(Origin("smtp", host, mailbox.port), deadline)
        self._dialler, self._mailbox, self._deadline = dialler, mailbox, deadline
        address = bare.getsockname()[0]
        # Who has no name that others can look up says its address (RFC 5321, section 4.1.3).
        super().__init__(local_hostname=f"[IPv6:{address}]" if ":" in address else f"[{address}]")
        self._host = host.rstrip(".")
        if mailbox.security == "tls":
            self._take(dialler.secure(bare, self._host, connecting, ()))
        else:
            self._take(BoundedSocket.taking_over(bare))

    def open(self) -> None:
        self._expect("greeting", self.getreply(), _READY_FOR_TLS)
        self._say_hello()
        if self._mailbox.security == "starttls":
            self._start_tls()
        if self._mailbox.user:
            self._log_in()

    def hand_over(self, envelope: Envelope) -> dict[str, Reply]:
        size = [f"size={len(envelope.message)}"] if self.has_extn("size") else []
        self._expect("sender", self.mail(envelope.sender, size), _OK)
        refusals: dict[str, Reply] = {}
        for recipient in envelope.recipients:
            reply = _reply(self.rcpt(recipient))
            if reply.code // 100 in (4, 5):
                refusals[recipient] = reply
            elif reply.code // 100 != 2:
                raise NotSent("unreadable_answer")
        if len(refusals) == len(envelope.recipients):
            raise Refused("recipient", next(iter(refusals.values())), refusals)
        self._expect("data", self.docmd("DATA"), _BEGIN_MESSAGE)
        self.is_told = True
        self.send(_BEFORE_A_LINES_DOT.sub(b"..", envelope.message.removesuffix(b"\r\n")) + b"\r\n.\r\n")
        reply = _reply(self.getreply())
        if reply.code // 100 in (4, 5):
            raise Refused("message", reply)
        if reply.code // 100 != 2:
            raise AnswerLost("unreadable_answer")
        return refusals

    def _say_hello(self) -> None:
        if _reply(self.ehlo()).code // 100 != 2:
            self._expect("hello", self.helo(), _OK)

    def _start_tls(self) -> None:
        if not self.has_extn("starttls"):
            raise Unoffered("starttls")
        self._expect("starttls", self.docmd("STARTTLS"), _READY_FOR_TLS)
        # What else came unencrypted is forgotten with it: nobody knows who has said that.
        self.file.close()
        self.file = None
        held = self.sock
        bare = socket.socket(held.family, held.type, held.proto, fileno=held.detach())
        self._take(self._dialler.secure(bare, self._host, self._deadline, ()))
        self.esmtp_features, self.does_esmtp = {}, False
        self._say_hello()

    def _log_in(self) -> None:
        if self._mailbox.security == "none":
            raise Unoffered("login")
        try:
            self.login(self._mailbox.user, self._mailbox.password)
        except smtplib.SMTPAuthenticationError as error:
            raise Refused("login", _reply((error.smtp_code, error.smtp_error))) from None
        except smtplib.SMTPServerDisconnected:
            raise
        except (smtplib.SMTPNotSupportedError, smtplib.SMTPException):
            raise Unoffered("login") from None

    def _take(self, sock: BoundedSocket) -> None:
        sock.is_holding = False
        self.sock = sock

    def _expect(self, step: Step, said: tuple[int, bytes], code: int) -> None:
        """Raises Refused for a refusal, and NotSent for what is no answer to this."""
        reply = _reply(said)
        if reply.code // 100 in (4, 5):
            raise Refused(step, reply)
        if reply.code // 100 != code // 100:
            raise NotSent("unreadable_answer")


def _reply(said: tuple[int, Any]) -> Reply:
    code, words = said
    return Reply(code, words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words))
