"""What each type of message may say, as JSON Schema: Meta's limits, refused here before anything is sent.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

from typing import Any

from providers.intents import FILE_NAME, PHONE, URL

Schema = dict[str, Any]


def _object(*required: str, **members: Schema) -> Schema:
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def _text(maximum: int, description: str = "", minimum: int = 1) -> Schema:
    schema: Schema = {"type": "string", "minLength": minimum, "maxLength": maximum}
    return {**schema, "description": description} if description else schema


def _list(items: Schema, maximum: int) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": maximum}


MESSAGE_ID = _text(255, "Meta's id of a message: wamid.…")
# What stands in them is checked against the template itself.
TEMPLATE_PARAMS: Schema = {
    "type": "object",
    "description": "`header` and `body`, lists of values or objects by name, `buttons`, a list of {index, value}; "
    "`GET /whatsapp/templates/{name}` shows what the template requires",
}
TEMPLATE_NAME = _text(512, "the exact name, as `GET /whatsapp/templates` shows it")
TEMPLATE_LANGUAGE = _text(16, "its language, such as en_US: `en` is another one")
TEMPLATE = _object(
    "name", "language", name=TEMPLATE_NAME, language=TEMPLATE_LANGUAGE, params=TEMPLATE_PARAMS
)  # fmt: skip

TEXT = _object("body", body=_text(4096), preview_url={"type": "boolean"})
LOCATION = _object(
    "latitude",
    "longitude",
    latitude={"type": "number", "minimum": -90, "maximum": 90},
    longitude={"type": "number", "minimum": -180, "maximum": 180},
    name=_text(1000),
    address=_text(1000),
)
REACTION = _object("message_id", "emoji", message_id=MESSAGE_ID, emoji=_text(32, "an emoji; empty takes it back", 0))
_NAME = _object(
    "formatted_name",
    formatted_name=_text(1024),
    **{each: _text(1024) for each in ("first_name", "last_name", "middle_name", "suffix", "prefix")},
)
_PARTS = {"type": "array", "items": {"type": "object"}, "maxItems": 20}
CONTACT = _object(
    "name",
    name=_NAME,
    phones=_PARTS,
    emails=_PARTS,
    addresses=_PARTS,
    urls=_PARTS,
    org={"type": "object"},
    birthday={"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "description": "a date: YYYY-MM-DD"},
)
# The schema of Meta's OpenAPI document allows five.
CONTACTS = _list(CONTACT, 5)

MEDIA_KINDS = ("image", "video", "audio", "document", "sticker")
MEDIA_ID = _text(100, "Meta's id of an uploaded file")
_MEDIA: Schema = {**_object(id=MEDIA_ID, link=URL), "oneOf": [{"required": ["id"]}, {"required": ["link"]}]}
_HEADER = _object(
    "type",
    type={"type": "string", "enum": ["text", "image", "video", "document"]},
    text=_text(60),
    image=_MEDIA,
    video=_MEDIA,
    document={**_MEDIA, "properties": {**_MEDIA["properties"], "filename": FILE_NAME}},
)
_TEXT_HEADER = _object("type", "text", type={"const": "text"}, text=_text(60))
_REPLY = _object("type", "reply", type={"const": "reply"}, reply=_object("id", "title", id=_text(256), title=_text(20)))
_ROW = _object("id", "title", id=_text(200), title=_text(24), description=_text(72))
_SECTION = _object("rows", title=_text(24), rows=_list(_ROW, 10))
_FLOW = {
    **_object(
        "flow_message_version",
        "flow_cta",
        flow_message_version={"const": "3"},
        flow_id=_text(100),
        flow_name=_text(200),
        flow_cta=_text(30),
        flow_token=_text(1024),
        mode={"enum": ["draft", "published"]},
        flow_action={"enum": ["navigate", "data_exchange"]},
        flow_action_payload={"type": "object"},
    ),
    "oneOf": [{"required": ["flow_id"]}, {"required": ["flow_name"]}],
}


def _interactive(kind: str, action: Schema, header: Schema | None = _HEADER) -> Schema:
    more = {"footer": _object("text", text=_text(60)), **({"header": header} if header else {})}
    body = _object("text", text=_text(1024))
    return _object("type", "body", "action", type={"const": kind}, body=body, action=action, **more)


def _named(name: str, **parameters: Schema) -> Schema:
    return _object("name", *parameters, name={"const": name}, **parameters)


INTERACTIVE: dict[str, Schema] = {
    "button": _interactive("button", _object("buttons", buttons=_list(_REPLY, 3))),
    "list": _interactive(
        "list", _object("button", "sections", button=_text(20), sections=_list(_SECTION, 10)), _TEXT_HEADER
    ),
    "cta_url": _interactive(
        "cta_url",
        _named("cta_url", parameters=_object("display_text", "url", display_text=_text(20), url=URL)),
    ),
    "flow": _interactive("flow", _named("flow", parameters=_FLOW)),
    "location_request_message": _interactive("location_request_message", _named("send_location"), None),
}
ANY_INTERACTIVE = _object(
    "type", type={"type": "string", "enum": list(INTERACTIVE), "description": f"one of {', '.join(INTERACTIVE)}"}
)

CONTENT: dict[str, Schema] = {
    "text": TEXT,
    "interactive": {**ANY_INTERACTIVE, "additionalProperties": True},
    "location": LOCATION,
    "contacts": CONTACTS,
    "reaction": REACTION,
}
_AROUND = {
    "to": PHONE,
    "reply_to": {**MESSAGE_ID, "description": "Meta's id of the message that this one answers"},
    "fallback_template": {**TEMPLATE, "description": "the template to send instead while the window is closed"},
}


def _message(kind: str, content: Schema) -> Schema:
    return _object("to", "type", kind, type={"const": kind}, **{kind: content}, **_AROUND)


BY_TYPE: dict[str, Schema] = {kind: _message(kind, content) for kind, content in CONTENT.items()}
BY_TYPE["template"] = _object(
    "to",
    "template_name",
    "template_language",
    type={"const": "template"},
    template_name=TEMPLATE_NAME,
    template_language=TEMPLATE_LANGUAGE,
    template_params=TEMPLATE_PARAMS,
    to=PHONE,
    reply_to=_AROUND["reply_to"],
)
ANY_TYPE: Schema = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"enum": list(BY_TYPE), "description": f"one of {', '.join(BY_TYPE)}"},
    },
}
_MEDIA_AROUND: dict[str, Schema] = {
    "media_type": {"type": "string", "enum": list(MEDIA_KINDS)},
    "content_type": _text(127, "the media type of the file, such as image/png"),
    "caption": _text(1024),
    "filename": FILE_NAME,
    **_AROUND,
}
MEDIA_MESSAGE: Schema = {
    **_object(
        "to",
        "media_type",
        url=URL,
        media_id=MEDIA_ID,
        content={
            "type": "string",
            "minLength": 1,
            "contentEncoding": "base64",
            "description": "the bytes in base64",
        },
        **_MEDIA_AROUND,
    ),
    "oneOf": [{"required": [name]} for name in ("url", "media_id", "content")],
}
# What the file is in a form, JSON Schema has no word for.
MEDIA_FORM = _object("to", "media_type", "file", file={}, **_MEDIA_AROUND)
READ: Schema = _object(
    "message_id",
    message_id={**MESSAGE_ID, "description": "Meta's id of the customer's message"},
    typing={"type": "boolean", "description": "also show that an answer is being written, for 25 s at most"},
)
