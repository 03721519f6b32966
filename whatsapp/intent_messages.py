"""The payload of `message.send.whatsapp` as the message that Meta takes."""

from collections.abc import Mapping, Sequence
from typing import Any

Payload = Mapping[str, Any]


def message(payload: Payload) -> dict[str, Any]:
    """https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages"""
    kind, content = _content(payload)
    # Without its plus Meta would put the business's own calling code before the number.
    said = {"to": payload["to"], "type": kind, kind: content}
    return said | ({"context": {"message_id": payload["reply_to"]}} if "reply_to" in payload else {})


def _content(payload: Payload) -> tuple[str, dict[str, Any]]:
    if "text" in payload:
        return "text", {"body": payload["text"]}
    if "template" in payload:
        return "template", template(payload["template"])
    if "media" in payload:
        return payload["media"]["type"], _media(payload["media"])
    return "interactive", dict(payload["interactive"])


def template(asked: Payload) -> dict[str, Any]:
    """Name, language and the components that its parameters fill."""
    params = asked.get("params", {})
    components = [
        *([{"type": "header", "parameters": _texts(params["header"])}] if params.get("header") else []),
        *([{"type": "body", "parameters": _texts(params["body"])}] if params.get("body") else []),
        *(_button(button) for button in params.get("buttons", [])),
    ]
    said = {"name": asked["name"], "language": {"code": asked["language"], "policy": "deterministic"}}
    return said | ({"components": components} if components else {})


def _texts(values: Sequence[str] | Mapping[str, str]) -> list[dict[str, str]]:
    if isinstance(values, Mapping):
        return [{"type": "text", "parameter_name": name, "text": text} for name, text in values.items()]
    return [{"type": "text", "text": text} for text in values]


def _button(button: Payload) -> dict[str, Any]:
    """The variable end of a button's address, the one kind whose parameter every template tells."""
    parameters = [{"type": "text", "text": button["value"]}]
    return {"type": "button", "sub_type": "url", "index": str(button["index"]), "parameters": parameters}


def _media(asked: Payload) -> dict[str, str]:
    said = {"link": asked["url"]} if "url" in asked else {"id": asked["media_id"]}
    # Meta refuses the others where they do not belong.
    kept = {"image": ("caption",), "video": ("caption",), "document": ("caption", "filename")}
    return said | {name: asked[name] for name in kept.get(asked["type"], ()) if name in asked}
