"""A message as it is to go out, whichever door it came by: read from the caller's body, every fault named at once."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Any

from django.conf import settings

from integrationhub.core import strict_json
from integrationhub.core.errors import InvalidRequest
from providers import schema_faults
from providers.errors import InvalidPhone
from providers.schema_faults import Fault
from whatsapp import interactive, message_schemas

JSONObject = Mapping[str, Any]

_any_type = schema_faults.compiled(message_schemas.ANY_TYPE)
_by_type = {kind: schema_faults.compiled(schema) for kind, schema in message_schemas.BY_TYPE.items()}
_media = schema_faults.compiled(message_schemas.MEDIA_MESSAGE)
_form = schema_faults.compiled(message_schemas.MEDIA_FORM)
_read_mark = schema_faults.compiled(message_schemas.READ)

# Which members beside the file itself Meta takes: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
_BESIDE_FILE = {"caption": ("image", "video", "document"), "filename": ("document",)}


@dataclass(frozen=True, slots=True)
class TemplateUse:
    name: str
    language: str
    params: JSONObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """What a media message carries, or an interactive one shows above its words: an id of Meta's, an address to fetch
    it from, or an open file.

    `kind` is Meta's word for it, `field` the member of the caller's body that it came in, `name` what the file was
    called there.
    """

    kind: str = ""
    media_id: str = ""
    url: str = ""
    content: IO[bytes] | None = field(default=None, repr=False)
    content_type: str = ""
    name: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """`kind` is Meta's `type`, and `content` what stands under that name; of a template and of a file it is made
    later. `fallback` is the template that goes out instead while the window is closed; `preview` how a template looks
    with its values, once they are known to fit."""

    to: str
    kind: str
    content: JSONObject | list[Any] = field(default_factory=dict)
    template: TemplateUse | None = None
    file: File | None = None
    fallback: TemplateUse | None = None
    reply_to: str = ""
    preview: JSONObject | None = None


def from_request(body: Any) -> Message:
    """The body of `POST /whatsapp/messages`. Raises InvalidRequest naming every fault, or InvalidPhone."""
    kind = _type_of(body)
    found = schema_faults.faults(_by_type[kind], body)
    if kind == "interactive" and not any(fault["field"].startswith("interactive") for fault in found):
        found += interactive.faults(body["interactive"], at="interactive") or _header_faults(body["interactive"])
    if kind == "reaction" and "reply_to" in body:
        found.append(schema_faults.fault("reply_to", "not_allowed", "no reply_to: a reaction names its message itself"))
    _refuse(found)
    around = _around(body)
    if kind == "template":
        template = TemplateUse(body["template_name"], body["template_language"], body.get("template_params", {}))
        return Message(kind=kind, template=template, **around)
    file = _header_file(body[kind], "interactive") if kind == "interactive" else None
    return Message(kind=kind, content=body[kind], file=file, **around)


def from_media_request(body: JSONObject) -> Message:
    """The JSON body of `POST /whatsapp/media/send`. Raises InvalidRequest or InvalidPhone."""
    _refuse_media(_media, body)
    source = next(name for name in ("url", "media_id", "content") if name in body)
    content = BytesIO(base64.b64decode(body["content"])) if source == "content" else None
    media_id, url = body.get("media_id", ""), body.get("url", "")
    kind, content_type, name = body["media_type"], body.get("content_type", ""), body.get("filename", "")
    return _with_file(File(kind, media_id, url, content, content_type, name, source), body, **_around(body))


def from_media_form(body: JSONObject, file: Any) -> Message:
    """The same as a form with a file (Django's UploadedFile), whose other members are text. Raises as that does.

    What the file is called is the name that a customer sees of a document, unless the form has another.
    """
    body = {**body, **_parsed_fallback(body)}
    _refuse_media(_form, body)
    kind, name = body["media_type"], body.get("filename") or file.name
    content_type = body.get("content_type") or file.content_type or ""
    content_type = "" if content_type == "application/octet-stream" else content_type
    shown = {**body, "filename": name} if kind in _BESIDE_FILE["filename"] else body
    upload = File(kind, content=file, content_type=content_type, name=name, field="file")
    return _with_file(upload, shown, **_around(body))


def from_intent(payload: JSONObject) -> Message:
    """The payload of `message.send.whatsapp`, which its schema has passed. Raises InvalidRequest."""
    around = _around(payload)
    if "text" in payload:
        return Message(kind="text", content={"body": payload["text"]}, **around)
    if "template" in payload:
        return Message(kind="template", template=_template(payload["template"]), **around)
    if "interactive" in payload:
        asked, at = payload["interactive"], "payload.interactive"
        _refuse(interactive.faults(asked, at=at) or _header_faults(asked, at))
        return Message(kind="interactive", content=asked, file=_header_file(asked, at), **around)
    media = payload["media"]
    _refuse(_file_faults(media["type"], media, at="payload.media."))
    name = media.get("filename", "")
    media_id, url = media.get("media_id", ""), media.get("url", "")
    return _with_file(File(media["type"], media_id, url, name=name, field="payload.media.url"), media, **around)


def read_mark(body: Any) -> tuple[str, bool]:
    """Which message was read, and whether an answer is being typed. Raises InvalidRequest."""
    _refuse(schema_faults.faults(_read_mark, body))
    return body["message_id"], body.get("typing", False)


def _type_of(body: Any) -> str:
    if isinstance(body, dict) and "template_name" in body and body.get("type", "template") == "template":
        return "template"
    _refuse(schema_faults.faults(_any_type, body))
    kind: str = body["type"]
    return kind


def _around(body: JSONObject) -> dict[str, Any]:
    fallback = body.get("fallback_template")
    return {
        "to": body["to"],
        "reply_to": body.get("reply_to", ""),
        "fallback": _template(fallback) if fallback else None,
    }


def _template(given: JSONObject) -> TemplateUse:
    return TemplateUse(given["name"], given["language"], given.get("params", {}))


def _parsed_fallback(body: JSONObject) -> dict[str, Any]:
    """The one member of a form that is no text, but an object of JSON."""
    given = body.get("fallback_template")
    if not isinstance(given, str):
        return {}
    try:
        return {"fallback_template": strict_json.loads(given.encode())}
    except InvalidRequest as error:
        _refuse(
            [schema_faults.fault("fallback_template", str(error.details["reason"]), "a template as an object of JSON")]
        )
        raise


def _refuse_media(schema: Any, body: JSONObject) -> None:
    found = schema_faults.faults(schema, body)
    _refuse(found or _file_faults(body["media_type"], body, at=""))


def _with_file(file: File, body: JSONObject, **around: Any) -> Message:
    content = {name: body[name] for name in _BESIDE_FILE if name in body}
    return Message(kind=file.kind, file=file, content=content, **around)


def _header_file(asked: JSONObject, at: str) -> File | None:
    """What an interactive message shows above its words, where that is a link."""
    header = asked.get("header", {})
    kind = header.get("type", "text")
    if kind == "text" or "link" not in header[kind]:
        return None
    name = header[kind].get("filename", "")
    return File(kind, url=header[kind]["link"], name=name, field=f"{at}.header.{kind}.link")


def _header_faults(asked: JSONObject, at: str = "interactive") -> list[Fault]:
    file = _header_file(asked, at)
    return _link_faults(file.url, file.field) if file else []


def _file_faults(kind: str, body: JSONObject, *, at: str) -> list[Fault]:
    """What no schema says: which members a kind has, and that a link without TLS leads nowhere."""
    found = [
        schema_faults.fault(f"{at}{name}", "not_allowed", f"a {name} with {', '.join(kinds)} only")
        for name, kinds in _BESIDE_FILE.items()
        if name in body and kind not in kinds
    ]
    return found + _link_faults(body.get("url", ""), f"{at}url")


def _link_faults(url: str, field: str) -> list[Fault]:
    if not url.startswith("http:") or settings.OUTBOUND_ALLOWED_NETWORKS:
        return []
    return [schema_faults.fault(field, "https_required", "an https:// URL: this installation calls no http:// one")]


def _refuse(found: list[Fault]) -> None:
    if not found:
        return
    names = ", ".join(fault["field"] for fault in found[:5])
    if all(fault["reason"] == "invalid_phone" for fault in found):
        raise InvalidPhone(f"{names} must be {found[0]['expected']}.", reason="invalid_phone", fields=found)
    raise InvalidRequest(
        f"The message is not valid: see details.fields ({names}).", reason="invalid_fields", fields=found[:100]
    )
