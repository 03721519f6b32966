"""Messages on the wire: what the hub asks Meta beside what the package pywa asks for the same call."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from pywa import WhatsApp, types
from pywa.types import templates

from providers.meta_graph import TEMPLATE_FIELDS
from tests.make import Api
from tests.meta.calling import graph_of, soon
from tests.meta.graph_server import GraphServer
from tests.providers.answering import Asked
from tests.providers.wire import assert_same, spots
from tests.whatsapp.talking import CUSTOMER, HELLO, Talk, know_template
from tests.whatsapp.test_sending import CONTENTS

WAMID = "wamid.ABC="
UNSAID = "null, or an empty list, is what the library says for what it was not given"

By = Callable[[WhatsApp, dict[str, Any]], Any]


@pytest.fixture
def pywa(meta: GraphServer) -> Iterator[WhatsApp]:
    client = WhatsApp(meta.phone_number_id, meta.token, waba_id=meta.waba_id, api_version=meta.version[1:])
    session = client.api._session
    session.base_url = f"{meta.base_url}/{meta.version}"
    yield client
    session.close()


def both(meta: GraphServer, calls: int = 1) -> list[tuple[Asked, Asked]]:
    """The last requests: so many of ours, and then as many of theirs. That the version is the same the server sees."""
    last = [
        Asked(asked.method, f"{asked.path}?{urlencode(asked.query)}", asked.headers, asked.body)
        for asked in meta.asked[-2 * calls :]
    ]
    return list(zip(last[:calls], last[calls:], strict=True))


def unsaid(theirs: Asked) -> dict[str, str]:
    return {spot: UNSAID for spot, value in spots(theirs).items() if value is None or value == []}


# --- Messages of each kind ---

SENT: dict[str, By] = {
    "text": lambda pywa, to: pywa.send_message(**to, text="see https://shop.example", preview_url=True),
    "buttons": lambda pywa, to: pywa.send_message(
        **to, text="Is it there?", buttons=[types.Button("Yes", callback_data="yes")]
    ),
    "list": lambda pywa, to: pywa.send_message(
        **to,
        text="When?",
        buttons=types.SectionList(
            "Times", [types.Section("Today", [types.SectionRow("9 o'clock", "nine", "in the morning")])]
        ),
    ),
    "link": lambda pywa, to: pywa.send_image(
        **to,
        image="1166846181421424",
        caption="Look",
        buttons=types.URLButton("Shop", "https://shop.example/"),
    ),
    "flow": lambda pywa, to: pywa.send_message(**to, text="Book", buttons=types.FlowButton("Book", flow_id="1")),
    "question for a place": lambda pywa, to: pywa.request_location(**to, text="Where?"),
    "location": lambda pywa, to: pywa.send_location(
        **to, latitude=37.48, longitude=-122.15, name="Shop", address="1 Hacker Way"
    ),
    "contacts": lambda pywa, to: pywa.send_contact(
        **to,
        contact=types.Contact(types.Contact.Name("Ada", first_name="Ada"), phones=[types.Contact.Phone("+1")]),
    ),
    "reaction": lambda pywa, to: pywa.send_reaction(**to, message_id=WAMID, emoji="👍"),
    "reaction taken back": lambda pywa, to: pywa.remove_reaction(**to, message_id=WAMID),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_each_kind_of_message_is_sent_as_by_the_library(
    talk: Talk, meta: GraphServer, pywa: WhatsApp, name: str
) -> None:
    kind, content = CONTENTS[name]
    delivery = talk.sent({"to": CUSTOMER, "type": kind, kind: content})
    SENT[name](pywa, {"to": CUSTOMER, "tracker": delivery["id"]})
    [(ours, theirs)] = both(meta)
    apart = {"body.interactive.action.parameters.mode": "the library says Meta's own default"} if name == "flow" else {}
    assert_same(ours, theirs, apart=apart | unsaid(theirs))


def test_a_reply_is_sent_as_by_the_library(talk: Talk, meta: GraphServer, pywa: WhatsApp) -> None:
    delivery = talk.sent({**HELLO, "reply_to": WAMID})
    pywa.send_message(CUSTOMER, "hello", reply_to_message_id=WAMID, tracker=delivery["id"])
    [(ours, theirs)] = both(meta)
    assert_same(ours, theirs, apart={"body.text.preview_url": "the library says Meta's own default"})


# --- Templates ---

BODY = {"type": "BODY", "text": "Hello {{1}}, order {{2}} is on its way."}
NAMED = {"type": "BODY", "text": "Hello {{name}}, order {{order}} is on its way."}
ROWS = [
    {"type": "URL", "text": "Track", "url": "https://shop.example/{{1}}"},
    {"type": "QUICK_REPLY", "text": "Stop"},
    {"type": "COPY_CODE", "text": "Copy"},
]
PARAMS = {
    "header": [{"id": "1166846181421424"}],
    "body": ["Ada", "A 1042 & ü"],
    "buttons": [
        {"index": 0, "value": "A-1042?x=1"},
        {"index": 1, "value": "stop"},
        {"index": 2, "value": "SAVE20"},
    ],
}
THEIR_PARAMS = [
    templates.HeaderImage.params(image="1166846181421424"),
    templates.BodyText.params(*PARAMS["body"]),
    templates.URLButton.params(url_variable="A-1042?x=1", index=0),
    templates.QuickReplyButton.params(callback_data="stop", index=1),
    templates.CopyCodeButton.params(coupon_code="SAVE20", index=2),
]
POLICY = {"body.template.language.policy": "Meta's only one, which its reference has and the library leaves out"}


def spelled(theirs: Asked) -> Asked:
    """As Meta's examples spell it: the library writes words in capitals, and the index as a number."""
    body = theirs.json()
    for part in body["template"]["components"]:
        part |= {name: str(part[name]).lower() for name in ("type", "sub_type", "index") if name in part}
    return replace(theirs, body=json.dumps(body).encode())


def test_a_template_is_sent_as_by_the_library(api: Api, meta: GraphServer, pywa: WhatsApp) -> None:
    header = {"type": "HEADER", "format": "IMAGE"}
    know_template(api.tenant, components=[header, BODY, {"type": "BUTTONS", "buttons": ROWS}])
    given = {"template_name": "order_shipped", "template_language": "en", "template_params": PARAMS}
    delivery = Talk(api).sent({"to": CUSTOMER, **given})
    language = templates.TemplateLanguage.ENGLISH
    pywa.send_template(CUSTOMER, "order_shipped", language, THEIR_PARAMS, tracker=delivery["id"])
    [(ours, theirs)] = both(meta)
    assert_same(ours, spelled(theirs), apart=POLICY)


def test_a_templates_named_parameters_are_sent_as_by_the_library(api: Api, meta: GraphServer, pywa: WhatsApp) -> None:
    know_template(api.tenant, components=[NAMED], parameter_format="NAMED")
    named = {"name": "Ada", "order": "A-1042"}
    given = {"template_name": "order_shipped", "template_language": "en", "template_params": {"body": named}}
    delivery = Talk(api).sent({"to": CUSTOMER, **given})
    by_name = [templates.BodyText.params(**named)]
    language = templates.TemplateLanguage.ENGLISH
    pywa.send_template(CUSTOMER, "order_shipped", language, by_name, tracker=delivery["id"])
    [(ours, theirs)] = both(meta)
    assert_same(ours, spelled(theirs), apart=POLICY)


# --- Files ---


def test_a_file_is_uploaded_and_sent_as_by_the_library(talk: Talk, meta: GraphServer, pywa: WhatsApp) -> None:
    content, name = b"%PDF-1.7 and so on", "Rechnung 1042.pdf"
    given = {"content": base64.b64encode(content).decode(), "content_type": "application/pdf", "filename": name}
    body = {"to": CUSTOMER, "media_type": "document", "caption": "Your receipt", **given}
    delivery = talk.sent(body, path="/whatsapp/media/send")
    pywa.send_document(CUSTOMER, content, name, "Your receipt", mime_type="application/pdf", tracker=delivery["id"])
    uploads, messages = both(meta, calls=2)
    assert_same(*uploads)
    assert_same(*messages, apart={"body.document.id": "of two uploads"})


@pytest.mark.parametrize("kind", ["image", "video", "audio", "sticker"])
def test_a_file_that_is_at_meta_is_sent_as_by_the_library(
    talk: Talk, meta: GraphServer, pywa: WhatsApp, kind: str
) -> None:
    media_id = meta.store(b"a file", "application/octet-stream")
    delivery = talk.sent({"to": CUSTOMER, "media_type": kind, "media_id": media_id}, path="/whatsapp/media/send")
    getattr(pywa, f"send_{kind}")(CUSTOMER, media_id, tracker=delivery["id"])
    assert_same(*both(meta)[0])


def test_a_customers_file_is_asked_for_as_by_the_library(meta: GraphServer, pywa: WhatsApp) -> None:
    media_id = meta.store(b"%PDF-1.7", "application/pdf")
    graph_of(meta).media(media_id, soon())
    pywa.get_media_url(media_id)
    apart = {"query.phone_number_id": "by which Meta refuses a file of another number, and the library does not ask"}
    assert_same(*both(meta)[0], apart=apart)


# --- And the rest ---


@pytest.mark.parametrize(("typing", "method"), [(False, "mark_message_as_read"), (True, "indicate_typing")])
def test_a_message_is_marked_as_read_as_by_the_library(
    talk: Talk, meta: GraphServer, pywa: WhatsApp, typing: bool, method: str
) -> None:
    answer = talk.send({"message_id": WAMID, "typing": typing}, path="/whatsapp/messages/read")
    assert answer.status_code == 200, answer.content
    getattr(pywa, method)(WAMID)
    assert_same(*both(meta)[0])


def test_the_list_of_templates_is_asked_for_as_by_the_library(meta: GraphServer, pywa: WhatsApp) -> None:
    list(graph_of(meta).template_pages(soon(), 5))
    pywa.api.get_templates(meta.waba_id, tuple(TEMPLATE_FIELDS.split(",")), pagination={"limit": 200})
    assert_same(*both(meta)[0])
