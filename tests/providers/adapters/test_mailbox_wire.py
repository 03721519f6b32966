"""E-mail as a connected account, on the wire: each adapter's request beside that of Google's own library, or of O365.

Microsoft's own, msgraph-sdk, has 16,000 files, of which one would send this: O365 has the same call.
"""

import base64
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from O365 import Account, MSGraphProtocol
from O365.mailbox import Message
from O365.utils.token import MemoryTokenBackend

from providers import registry
from tests.providers.answering import AnsweringServer, Asked, call
from tests.providers.mailboxes import TOKEN, message_in
from tests.providers.wire import Redirected, assert_same

TO = ["ada@example.com", "alan@example.com"]
FROM, FROM_NAME = "orders@example.com", "Blue Bottle Café"
TEXTS = ["Thank you, Ada.", "Tea & cake <5 €> + ü = 100 %", "漢字 🎉\nsecond line"]
SUBJECT, HTML = "Grüße & € 🎉", "<p>Thank you, <b>Ada</b>. ü</p>"
FILENAME, PDF = "Rechnung ü.pdf", b"%PDF-1.7"
FULL: dict[str, Any] = {
    "to": TO,
    "subject": SUBJECT,
    "text": TEXTS[2],
    "html": HTML,
    "cc": ["grace@example.com"],
    "bcc": ["audit@example.com"],
    "reply_to": "support@example.com",
    "from": FROM,
    "headers": {"X-Order": "4921"},
    "attachments": [
        {"filename": FILENAME, "content_type": "application/pdf", "content": base64.b64encode(PDF).decode()}
    ],
}


def ours(server: AnsweringServer, key: str, payload: dict[str, Any], **config: Any) -> Asked:
    asked = call("message.send.email", payload, access_token=TOKEN)
    registry.instance(key).execute(replace(asked, base_url=server.base_url, config=config))
    return server.asked[-1]


# --- Gmail, beside the package google-api-python-client ---

LEFT_TO_THE_CALLER = {
    "query.alt": "the library asks for JSON, which is what Gmail answers unasked",
    "body.raw": "the library takes it ready-made: two writers wrote the message, and what it says is compared",
}
# How it is written, and the id that only ours has.
OF_THE_WRITER = {"message-id", "mime-version", "content-type", "content-transfer-encoding"}


def gmail(server: AnsweringServer, message: EmailMessage) -> Asked:
    """https://developers.google.com/workspace/gmail/api/guides/sending"""
    server.answer(200, {"id": "18c0"}, **{"Content-Type": "application/json"})
    with build("gmail", "v1", credentials=Credentials(TOKEN), client_options={"api_endpoint": server.base_url}) as api:
        raw = base64.urlsafe_b64encode(message.as_bytes()).decode()
        api.users().messages().send(userId="me", body={"raw": raw}).execute()
    return server.asked[-1]


def said_in(asked: Asked) -> tuple[dict[str, str], list[Any]]:
    """The head of the message, and type, name and lines of each of its parts."""
    message: Any = message_in(asked)
    head = {name: str(value) for name, value in message.items() if name.lower() not in OF_THE_WRITER}
    parts = [(part.get_content_type(), part.get_filename(), part.get_payload(decode=True)) for part in message.walk()]
    return head, [(kind, name, (content or b"").splitlines()) for kind, name, content in parts]


@pytest.mark.parametrize("text", TEXTS)
def test_gmail_is_asked_as_by_googles_own_library(server: AnsweringServer, text: str) -> None:
    message = EmailMessage()
    message["To"], message["Subject"] = ", ".join(TO), SUBJECT
    message.set_content(text)
    theirs = gmail(server, message)
    sent = ours(server, "gmail_email", {"to": TO, "subject": SUBJECT, "text": text})
    assert_same(sent, theirs, apart=LEFT_TO_THE_CALLER)
    assert said_in(sent) == said_in(theirs)


def test_gmail_is_given_a_full_message_as_by_googles_own_library(server: AnsweringServer) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Cc"] = f"{FROM_NAME} <{FROM}>", ", ".join(TO), "grace@example.com"
    message["Bcc"], message["Reply-To"], message["Subject"] = "audit@example.com", "support@example.com", SUBJECT
    message["X-Order"] = "4921"
    message.set_content(TEXTS[2])
    message.add_alternative(HTML, subtype="html")
    message.add_attachment(PDF, maintype="application", subtype="pdf", filename=FILENAME)
    theirs = gmail(server, message)
    sent = ours(server, "gmail_email", FULL, from_name=FROM_NAME)
    assert_same(sent, theirs, apart=LEFT_TO_THE_CALLER)
    assert said_in(sent) == said_in(theirs)


# --- Microsoft Graph, beside the package O365 ---

THEIR_DEFAULTS = {
    "body.message.importance": "the library says Graph's own default",
    "body.message.flag": "as above",
    "body.message.isReadReceiptRequested": "as above",
    "body.message.isDeliveryReceiptRequested": "as above",
    "body.message.internetMessageId": "our own id, by which a message is found again",
}
# Of recipients whom the message has not, the library gives the empty list.
NOBODY = {f"body.message.{name}": "an empty list, where we have none" for name in ("ccRecipients", "bccRecipients")}
NOBODY["body.message.replyTo"] = "an empty list, where we have none"


def graph(server: AnsweringServer) -> Message:
    """A message of an account that has signed in."""
    server.answer(202, b"")
    tokens = MemoryTokenBackend()
    tokens.add({"client_id": "c", "scope": ["Mail.Send"], "response": {"access_token": TOKEN, "expires_in": 3600}})
    # Else it asks the machine for its time zone, and warns where it has none.
    account = Account(("c", "s"), protocol=MSGraphProtocol(timezone="UTC"), token_backend=tokens)
    account.con.session = account.con.get_session()
    account.con.session.mount("https://", Redirected(server))
    return account.new_message()


@pytest.mark.parametrize("text", TEXTS)
def test_microsoft_graph_is_asked_as_by_the_library(server: AnsweringServer, text: str) -> None:
    message = graph(server)
    message.to.add(TO)
    message.subject, message.body_type, message.body = SUBJECT, "Text", text
    assert message.send()
    sent = ours(server, "microsoft_email", {"to": TO, "subject": SUBJECT, "text": text})
    assert_same(sent, server.asked[0], apart=THEIR_DEFAULTS | NOBODY)


def test_microsoft_graph_is_given_a_full_message_as_by_the_library(server: AnsweringServer) -> None:
    message = graph(server)
    for recipients, addresses in ((message.to, TO), (message.cc, FULL["cc"]), (message.bcc, FULL["bcc"])):
        recipients.add(addresses)
    message.reply_to.add(FULL["reply_to"])
    message.sender.address, message.sender.name = FROM, FROM_NAME
    message.subject, message.body = SUBJECT, HTML
    message.attachments.add([{"name": FILENAME, "content": base64.b64encode(PDF).decode()}])
    message.add_message_header("X-Order", "4921")
    assert message.send(save_to_sent_folder=False)
    sent = ours(server, "microsoft_email", FULL, from_name=FROM_NAME, save_to_sent_items=False)
    apart = {"body.message.attachments[0].contentType": "the library leaves it to the name of the file"}
    assert_same(sent, server.asked[0], apart=THEIR_DEFAULTS | apart)
