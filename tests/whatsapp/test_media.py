"""Files on their way to a customer: uploaded before the message goes, by Meta's rules for each kind."""

import base64
from typing import Any

import pytest

from integrationhub.core import catalogue
from tests.make import Api, keyed
from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from tests.whatsapp.talking import CUSTOMER, Talk
from whatsapp.file_rules import RULES

PNG = b"\x89PNG\r\n\x1a\n and so on"
PDF = b"%PDF-1.7 and so on"
SEND = "/whatsapp/media/send"


def picture(**over: Any) -> dict[str, Any]:
    content = base64.b64encode(PNG).decode()
    return {"to": CUSTOMER, "media_type": "image", "content": content, "content_type": "image/png", **over}


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def test_bytes_are_uploaded_and_their_id_is_sent(talk: Talk, meta: GraphServer) -> None:
    delivery = talk.sent(picture(caption="A map"), path=SEND)
    [sent] = meta.sent
    assert sent["image"] == {"id": sent["image"]["id"], "caption": "A map"}
    medium = meta.media[sent["image"]["id"]]
    assert (medium.content, medium.content_type) == (PNG, "image/png")
    assert (delivery["type"], delivery["status"]) == ("image", "accepted")


def test_what_is_at_meta_already_is_sent_by_its_id(talk: Talk, meta: GraphServer) -> None:
    meta.store(b"audio", "audio/aac", "1166846181421424")
    talk.sent({"to": CUSTOMER, "media_type": "audio", "media_id": "1166846181421424"}, path=SEND)
    assert meta.sent[0]["audio"] == {"id": "1166846181421424"}
    assert len(meta.asked) == 1


def test_a_link_is_fetched_and_uploaded_so_that_its_faults_are_known_now(talk: Talk, meta: GraphServer) -> None:
    at = f"http://{meta.media_netloc}/?mid=1"
    meta.fail(status=200, on="GET", body=PDF, headers={"Content-Type": "application/pdf"})
    body = {"to": CUSTOMER, "media_type": "document", "url": at, "filename": "map.pdf", "caption": "A map"}
    talk.sent(body, path=SEND)
    [sent] = meta.sent
    assert sent["document"]["filename"] == "map.pdf"
    assert "link" not in sent["document"]
    assert meta.media[sent["document"]["id"]].content_type == "application/pdf"
    assert "authorization" not in meta.asked[0].headers


BUTTONS = {"buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}}]}


def with_header(kind: str, **medium: Any) -> dict[str, Any]:
    header = {"type": kind, kind: medium}
    return {"type": "button", "header": header, "body": {"text": "Is it this one?"}, "action": BUTTONS}


def test_a_link_above_buttons_is_fetched_and_uploaded_too(talk: Talk, meta: GraphServer) -> None:
    meta.fail(status=200, on="GET", body=PDF, headers={"Content-Type": "application/pdf"}, times=2)
    asked = with_header("document", link=f"http://{meta.media_netloc}/a.pdf", filename="map.pdf")
    talk.sent({"to": CUSTOMER, "type": "interactive", "interactive": asked})
    numbers.install(talk.api)
    assert numbers.execute(talk.api, {"to": CUSTOMER, "interactive": asked}).status_code == 200
    for sent in meta.sent:
        shown = sent["interactive"]["header"]["document"]
        assert (set(shown), shown["filename"]) == ({"id", "filename"}, "map.pdf")
        assert meta.media[shown["id"]].content == PDF
        assert sent["interactive"] == with_header("document", **shown)


def test_a_fault_of_a_link_above_buttons_names_its_field(talk: Talk, meta: GraphServer, settings: Any) -> None:
    meta.fail(status=200, on="GET", body=b"<html>", headers={"Content-Type": "image/png"})
    at = f"http://{meta.media_netloc}/a.png"
    body = {"to": CUSTOMER, "type": "interactive", "interactive": with_header("image", link=at)}
    [fault] = talk.send(body).json()["details"]["fields"]
    assert (fault["field"], fault["reason"]) == ("interactive.header.image.link", "not_of_its_type")
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    [fault] = talk.send(body).json()["details"]["fields"]
    assert (fault["field"], fault["reason"]) == ("interactive.header.image.link", "https_required")
    assert meta.sent == []


def test_a_link_to_more_than_meta_takes_is_the_callers_fault(talk: Talk, meta: GraphServer) -> None:
    meta.fail(status=200, on="GET", body=PNG + bytes(RULES["image"].largest), headers={"Content-Type": "image/png"})
    body = {"to": CUSTOMER, "media_type": "image", "url": f"http://{meta.media_netloc}/a.png"}
    [fault] = talk.send(body, path=SEND).json()["details"]["fields"]
    assert (fault["field"], fault["reason"], meta.sent) == ("url", "too_large", [])


def test_a_link_to_another_thing_than_it_says_is_the_callers_fault(talk: Talk, meta: GraphServer) -> None:
    """As a page to sign in, which a server sends in place of a picture."""
    meta.fail(status=200, on="GET", body=b"<html>", headers={"Content-Type": "image/png"})
    body = {"to": CUSTOMER, "media_type": "image", "url": f"http://{meta.media_netloc}/a.png"}
    [fault] = talk.send(body, path=SEND).json()["details"]["fields"]
    assert (fault["field"], fault["reason"]) == ("url", "not_of_its_type")


# Which address, what is told of it, and whether to try again may help. That an address is one of our own network looks
# like one where nobody listens.
UNREACHABLE = {
    "404": ("http://{}/nothing", "http_404", False),
    "nobody there": ("http://127.0.0.1:9/a.png", "refused", False),
    "an address of our own network": ("https://10.0.0.1/a.png", "refused", False),
    "another port of a public address": ("https://1.1.1.1:9/a.png", "refused", False),
    "no such name": ("https://no-such-host.invalid/a.png", "dns", True),
}


@pytest.mark.parametrize("name", UNREACHABLE)
def test_a_link_that_cannot_be_fetched_sends_counts_and_stores_nothing(
    talk: Talk, meta: GraphServer, name: str
) -> None:
    at, cause, is_retryable = UNREACHABLE[name]
    url = at.format(meta.media_netloc)
    answer = talk.send({"to": CUSTOMER, "media_type": "image", "url": url}, path=SEND)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (503, catalogue.WHATSAPP_UNAVAILABLE.code)
    assert (told["details"]["cause"], told["retryable"]) == (cause, is_retryable)
    assert url not in answer.content.decode()
    assert (meta.sent, talk.deliveries(), talk.api.get("/usage").json()["used"]) == ([], [], 0)


@pytest.mark.parametrize(
    ("status", "is_retryable"), [(301, False), (403, False), (410, False), (408, True), (429, True), (500, True)]
)
def test_whether_to_ask_a_links_server_again_is_told_by_its_status(
    talk: Talk, meta: GraphServer, status: int, is_retryable: bool
) -> None:
    meta.fail(status=status, on="GET", body=b"")
    body = {"to": CUSTOMER, "media_type": "image", "url": f"http://{meta.media_netloc}/a.png"}
    told = talk.send(body, path=SEND).json()
    assert (told["details"]["cause"], told["retryable"]) == (f"http_{status}", is_retryable)


def test_a_link_without_tls_is_the_callers_fault_where_no_network_is_opened(
    talk: Talk, meta: GraphServer, settings: Any
) -> None:
    """As in production, where such an address is never dialled."""
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    url = "http://example.com/a.png"
    answer = talk.send({"to": CUSTOMER, "media_type": "image", "url": url}, path=SEND)
    assert (answer.status_code, answer.json()["code"]) == (400, catalogue.INVALID_REQUEST.code)
    [fault] = answer.json()["details"]["fields"]
    assert (fault["field"], fault["reason"], "https" in fault["expected"]) == ("url", "https_required", True)
    numbers.install(talk.api)
    executed = numbers.execute(talk.api, {"to": CUSTOMER, "media": {"type": "image", "url": url}})
    assert (executed.status_code, executed.json()["code"]) == (400, catalogue.INVALID_REQUEST.code)
    assert [fault["field"] for fault in executed.json()["details"]["fields"]] == ["payload.media.url"]
    assert meta.asked == []


@pytest.mark.parametrize("how", ["refused", "lost"])
def test_an_upload_that_fails_leaves_the_message_unsent_and_free_to_be_sent_again(
    talk: Talk, meta: GraphServer, how: str
) -> None:
    key = keyed()
    meta.lose_answer("media") if how == "lost" else meta.fail(131053, on="media")
    answer = talk.send(picture(), path=SEND, **key)
    assert (answer.status_code, answer.json()["code"]) == (503, catalogue.WHATSAPP_UNAVAILABLE.code)
    assert (meta.sent, talk.deliveries()) == ([], [])
    talk.sent(picture(), path=SEND, **key)
    assert len(meta.sent) == 1


def test_media_want_an_open_window_and_are_not_uploaded_without_one(api: Api, meta: GraphServer) -> None:
    answer = Talk(api).send(picture(), path=SEND)
    assert answer.json()["code"] == catalogue.TEMPLATE_REQUIRED.code
    assert meta.asked == []


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a picture of another kind": (picture(content_type="image/gif"), "content_type"),
    "a picture as audio": (picture(media_type="audio"), "content_type"),
    "a picture that is too large": (
        picture(content=base64.b64encode(bytes(RULES["sticker"].largest + 1)).decode())
        | {"media_type": "sticker", "content_type": "image/webp"},
        "content",
    ),
    "a caption of a sticker": (picture(media_type="sticker", caption="a"), "caption"),
    "a caption of a voice message": (picture(media_type="audio", caption="a"), "caption"),
    "a name of a picture": (picture(filename="a.png"), "filename"),
    "no file": (without(picture(), "content"), "body"),
    "two files": (picture(media_id="1"), "body"),
    "no base64": (picture(content="?"), "content"),
    "a long caption": (picture(caption="x" * 1025), "caption"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_meta_would_refuse_is_refused_here(talk: Talk, meta: GraphServer, name: str) -> None:
    body, where = REFUSED[name]
    answer = talk.send(body, path=SEND)
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["details"]["fields"]] == [where]
    assert meta.asked == []
