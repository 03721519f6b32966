"""A file sent as a form: read by pieces, judged like any other, and gone from the disk with its request."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from urllib3 import encode_multipart_formdata

from tests.make import Api, keyed
from tests.meta.graph_server import GraphServer
from tests.whatsapp.talking import CUSTOMER, Talk, know_template
from tests.whatsapp.test_media import PNG
from whatsapp import views

SEND = "/whatsapp/media/send"
PDF = b"%PDF-1.7 and so on"
LARGE = PNG + bytes(3 * 1024 * 1024)


@pytest.fixture(autouse=True)
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """Nothing of a file is left on it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == []


def picture(content: bytes = PNG, **fields: str) -> dict[str, Any]:
    return {"to": CUSTOMER, "media_type": "image", **fields, "file": ("a.png", content, "image/png")}


def post(api: Api, form: Any, **kwargs: Any) -> Any:
    body, content_type = encode_multipart_formdata(form)
    return send(api, body, content_type, **kwargs)


def send(api: Api, body: bytes, content_type: str, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
    return api.post(SEND, body, headers={"Content-Type": content_type, **(headers or {})}, **kwargs)


@pytest.mark.parametrize("content", [PNG, LARGE], ids=["in memory", "on disk"])
def test_a_file_of_a_form_is_uploaded_and_sent(talk: Talk, meta: GraphServer, content: bytes) -> None:
    answer = post(talk.api, picture(content, caption="A map"))
    assert answer.status_code == 202, answer.content
    [sent] = meta.sent
    assert sent["image"] == {"id": sent["image"]["id"], "caption": "A map"}
    medium = meta.media[sent["image"]["id"]]
    assert (medium.content, medium.content_type, medium.filename) == (content, "image/png", "a.png")


def test_a_document_is_called_what_its_file_is_called(talk: Talk, meta: GraphServer) -> None:
    form = {"to": CUSTOMER, "media_type": "document", "file": ("Rechnung ü.pdf", PDF, "application/octet-stream")}
    assert post(talk.api, form).status_code == 202
    assert meta.sent[0]["document"]["filename"] == "Rechnung ü.pdf"
    assert meta.media[meta.sent[0]["document"]["id"]].content_type == "application/pdf"
    assert post(talk.api, {**form, "filename": "invoice.pdf"}).status_code == 202
    assert meta.sent[1]["document"]["filename"] == "invoice.pdf"


def test_a_form_may_name_an_address_too(talk: Talk, meta: GraphServer) -> None:
    meta.store(b"audio", "audio/aac", "1166846181421424")
    assert post(talk.api, {"to": CUSTOMER, "media_type": "audio", "media_id": "1166846181421424"}).status_code == 202
    assert meta.sent[0]["audio"] == {"id": "1166846181421424"}


def test_the_same_form_under_a_key_is_sent_once_and_another_file_is_another_body(talk: Talk, meta: GraphServer) -> None:
    key = keyed()["headers"]
    first, again = (post(talk.api, picture(), headers=key) for _ in range(2))
    assert (first.content, len(meta.sent)) == (again.content, 1)
    assert again["Idempotent-Replayed"] == "true"
    other = post(talk.api, picture(PNG + b"!"), headers=key)
    assert (other.status_code, other.json()["details"]["reason"]) == (422, "idempotency_key_reused")


def test_the_template_that_goes_out_instead_is_json_in_a_field(api: Api, meta: GraphServer) -> None:
    know_template(api.tenant)
    instead = {"name": "order_shipped", "language": "en", "params": {"body": ["Ada", "A-1042"]}}
    answer = post(api, picture(fallback_template=json.dumps(instead)))
    assert (answer.status_code, meta.sent[0]["type"]) == (202, "template")
    assert meta.media == {}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "another kind": ({"media_type": "audio"}, "content_type", "not_allowed"),
    "another content": ({"file": ("a.png", b"<html>", "image/png")}, "file", "not_of_its_type"),
    "empty": ({"file": ("a.png", b"", "image/png")}, "file", "empty"),
    "too large": ({"file": ("a.png", PNG + bytes(5 * 1024 * 1024), "image/png")}, "file", "too_large"),
    "an address beside the file": ({"url": "https://example.com/a.png"}, "url", "unknown_member"),
    "a field that is none": ({"colour": "red"}, "colour", "unknown_member"),
    "a second file": ({"other": ("b.png", PNG, "image/png")}, "other", "unknown_member"),
    "a template that is none": ({"fallback_template": "{"}, "fallback_template", "malformed_json"),
    "a caption of a sticker": ({"media_type": "sticker", "caption": "a"}, "caption", "not_allowed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_meta_would_refuse_names_its_field_and_what_would_do(talk: Talk, meta: GraphServer, name: str) -> None:
    over, field, reason = REFUSED[name]
    answer = post(talk.api, {**picture(), **over})
    assert answer.status_code == 400, answer.content
    [fault] = answer.json()["details"]["fields"]
    assert (fault["field"], fault["reason"]) == (field, reason)
    assert fault["expected"]
    assert meta.asked == []


def test_a_field_stands_once(talk: Talk, meta: GraphServer) -> None:
    answer = post(talk.api, [*picture().items(), ("to", "+14155552672")])
    assert (answer.status_code, answer.json()["details"]) == (400, {"reason": "duplicate_key", "field": "to"})


def test_a_body_over_the_cap_is_refused_by_its_length_alone(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views.Media, "max_form_bytes", 1000)
    answer = post(talk.api, picture(bytes(2000)))
    assert (answer.status_code, answer.json()["details"]) == (413, {"reason": "body_too_large", "maxBytes": 1000})


def test_a_form_is_refused_where_none_is_read(talk: Talk) -> None:
    body, content_type = encode_multipart_formdata(picture())
    answer = talk.api.post("/whatsapp/messages", body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["details"]["reason"]) == (415, "unsupported_media_type")


TYPE = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="to"\r\n\r\n'
MALFORMED = {
    "no boundary": (b"", "multipart/form-data", "malformed_form"),
    "a boundary of no form": (b"", "multipart/form-data; boundary=\xff", "malformed_form"),
    "base64 that is none": (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n?\r\n--x--\r\n",
        TYPE,
        "malformed_form",
    ),
    "NUL in a field": (PART + b"\0\r\n--x--\r\n", TYPE, "nul_character"),
    "a long field": (PART + b"x" * 70_000 + b"\r\n--x--\r\n", TYPE, "string_too_long"),
    "two thousand fields": (b"".join(PART.replace(b"to", b"%d" % n) + b"1\r\n" for n in range(2000)) + b"--x--\r\n",
                            TYPE, "malformed_form"),
    "nothing": (b"", TYPE, "invalid_fields"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_form_is_told_so(talk: Talk, meta: GraphServer, name: str) -> None:
    body, content_type, reason = MALFORMED[name]
    answer = send(talk.api, body, content_type)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, reason)
    assert meta.asked == []
