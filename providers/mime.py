"""An e-mail as the bytes that every mail server takes."""

from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.headerregistry import Address, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import formataddr
from typing import Any

from providers.composing import Attachment, Mail
from providers.errors import Stop

# RFC 5322, section 2.1.1.
LONGEST_LINE = 998


class _Lines(EmailPolicy):
    """A header of ASCII that fits into one line stays on it: folding would encode long words, as the addresses in
    List-Unsubscribe are, so that nobody understood them."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        line = f"{name}: {value}"
        if isinstance(value, UnstructuredHeader) and line.isascii() and len(line) <= LONGEST_LINE:
            return f"{line}{self.linesep}".encode()
        return super().fold_binary(name, value)


# No relay on the way need take eight bits.
_POLICY = _Lines(linesep=SMTP.linesep, max_line_length=SMTP.max_line_length, cte_type="7bit", raise_on_defect=False)


def written(mail: Mail, *, tells_bcc: bool = False, sent_at: datetime | None = None) -> bytes:
    """The message as RFC 5322 has it, in seven bits and lines that end with CRLF; who is in Bcc is told only where the
    provider takes the recipients from it. Raises Stop for an address or a text that none can hold."""
    message = EmailMessage(_POLICY)
    try:
        _write_head(message, mail, tells_bcc)
        if sent_at:
            message["Date"] = sent_at
        _write_body(message, mail)
        written = message.as_bytes()
    except (ValueError, MessageError, LookupError):
        raise _unwritable() from None
    # What is encoded in a header is decoded where it is set, and may hold line breaks then.
    meant = [part.keys() for part in message.walk()]
    if [part.keys() for part in message_from_bytes(written).walk()] != meant:
        raise _unwritable()
    return written


def address(address: str, name: str = "") -> str:
    """As it stands in a header, in ASCII. Raises Stop."""
    try:
        return formataddr((name, address))
    except UnicodeError:
        raise _unwritable() from None


def _write_head(message: EmailMessage, mail: Mail, tells_bcc: bool) -> None:
    if mail.sender:
        message["From"] = _address(mail.sender, mail.sender_name)
    for name, addresses in (("To", mail.to), ("Cc", mail.cc), ("Bcc", mail.bcc if tells_bcc else ())):
        if addresses:
            message[name] = [_address(address) for address in addresses]
    if mail.reply_to:
        message["Reply-To"] = _address(mail.reply_to)
    message["Subject"] = mail.subject
    message["Message-ID"] = mail.message_id
    for name, value in mail.headers.items():
        message[name] = value


def _write_body(message: EmailMessage, mail: Mail) -> None:
    if mail.text or not mail.html:
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
    else:
        message.set_content(mail.html, subtype="html")
    for attachment in mail.attachments:
        _attach(message, attachment)


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    kind, _, parameters = attachment.content_type.partition(";")
    maintype, _, subtype = kind.strip().lower().partition("/")
    if maintype in ("multipart", "message"):
        # What has parts may not be in base64 (RFC 2045, section 6.4).
        maintype, subtype, parameters = "application", "octet-stream", ""
    said = dict(item.strip().split("=", 1) for item in parameters.split(";") if "=" in item)
    message.add_attachment(
        attachment.content, maintype=maintype, subtype=subtype, filename=attachment.filename, params=said
    )


def _address(address: str, name: str = "") -> Address:
    return Address(name, addr_spec=address)


def _unwritable() -> Stop:
    return Stop("No message can hold this header or address; nothing was sent.", reason="unwritable_message")
