"""Answers in the shapes that Meta gives, with where each was seen, and what Meta finds wrong with a message.

Errors: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

import json
from dataclasses import dataclass, field
from typing import Any

MEDIA = ("image", "video", "audio", "document", "sticker")
TYPES = ("text", "template", "interactive", "location", "contacts", "reaction", *MEDIA)


@dataclass(frozen=True)
class Answered:
    """What is sent: bytes as they are, anything else as JSON."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Recipe:
    on: str
    times: int
    answer: Answered


LOST, SILENT = Answered(-1, b"lost"), Answered(-2, b"silent")


def error(
    code: int | None, message: str = "", *, details: str = "", subcode: int | None = None, **members: Any
) -> dict[str, Any]:
    """Meta's envelope. `error_user_*` are in the language of the account, as live answers have them."""
    said: dict[str, Any] = {"message": message or f"(#{code}) Something is wrong", "type": "OAuthException"}
    if code is not None:
        said["code"] = code
    if details:
        said["error_data"] = {"messaging_product": "whatsapp", "details": details}
    if subcode is not None:
        said["error_subcode"] = subcode
    said |= {"error_user_title": "Parâmetro inválido", "error_user_msg": "Não foi possível.", "fbtrace_id": "Az8or2yhq"}
    return {"error": {**said, **members}}


def refusal(code: int, message: str, status: int = 400, **members: Any) -> Answered:
    return Answered(status, error(code, f"(#{code}) {message}", **members))


def template(name: str = "order_shipped", language: str = "en", **members: Any) -> dict[str, Any]:
    """A row of a listing; its id is the same for the same name and language."""
    number = sum((at + 1) * byte for at, byte in enumerate(f"{name}/{language}".encode()))
    return {
        "id": str(594_425_479_261_596 + number),
        "name": name,
        "language": language,
        "status": "APPROVED",
        "category": "UTILITY",
        "parameter_format": "POSITIONAL",
        "quality_score": {"score": "GREEN", "date": 1724857232},
        "components": [
            {
                "type": "BODY",
                "text": "Hello {{1}}, order {{2}} is on its way.",
                "example": {"body_text": [["Ada", "A-1042"]]},
            }
        ],
        **members,
    }


def oddly(row: dict[str, Any]) -> dict[str, Any]:
    """A listing as old accounts have it: states in lower case, no format of parameters, no example."""
    odd = {name: value for name, value in row.items() if name not in ("parameter_format", "quality_score")}
    odd["status"] = str(row.get("status", "")).lower()
    odd["components"] = [
        {name: value for name, value in component.items() if name != "example"} | {"type": component["type"].lower()}
        for component in row.get("components", [])
    ]
    return odd


def message_fault(body: Any) -> str:
    """What Meta says is wrong with the body of `POST /{phone}/messages`; empty for one that it takes."""
    if not isinstance(body, dict) or body.get("messaging_product") != "whatsapp":
        return "Parameter messaging_product is required and has to be whatsapp."
    if body.get("status") == "read":
        return "" if isinstance(body.get("message_id"), str) else "Parameter message_id is required."
    if not (body.get("to") or body.get("recipient")):
        return "The parameter to is required."
    kind = body.get("type")
    if kind not in TYPES:
        return f"Param type must be one of {{{', '.join(TYPES).upper()}}} - got '{kind}'."
    if not body.get(kind):
        return f"The parameter {kind} is required."
    if len(body.get("biz_opaque_callback_data", "")) > 512:
        return "Param biz_opaque_callback_data must be at most 512 characters long."
    return _content_fault(kind, body[kind])


def _content_fault(kind: str, content: Any) -> str:
    if kind == "text":
        words = content.get("body")
        return "" if isinstance(words, str) and 0 < len(words) <= 4096 else "Param text['body'] must be at most 4096."
    if kind in MEDIA and ("id" in content) == ("link" in content):
        return f"Param {kind} must have exactly one of id and link."
    if kind == "template" and not (content.get("name") and (content.get("language") or {}).get("code")):
        return "Param template must have name and language['code']."
    return ""
