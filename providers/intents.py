"""The intents of the hub: what a caller can want done, and the JSON Schema of what it must say.

Pure data. A description stands beside each member that a pattern or a format checks, since it is also what an error
gives as `expected`.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from providers.errors import InvalidIntent

Schema = dict[str, Any]
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Intent:
    """One intent. `acts` says that it changes something outside; `lowest_role` is the role that may ask for it."""

    name: str
    category: str
    summary: str
    payload_schema: Schema
    example: dict[str, Any]
    acts: bool = True
    lowest_role: str = "user"

    @property
    def on_ambiguous(self) -> Literal["stop", "next"]:
        """What happens by default when an outcome is unknown: doing it twice may be worse than not knowing."""
        return "stop" if self.acts else "next"

    @classmethod
    def parse(cls, category: str, name: str) -> "Intent":
        """The intent of this category. Raises InvalidIntent, which says what was probably meant."""
        intent = INTENTS.get(name)
        if intent is not None and intent.category == category:
            return intent
        raise _invalid(category, name, intent)

    @classmethod
    def get(cls, name: str) -> "Intent":
        """The intent of this name, whatever its category. Raises InvalidIntent."""
        if name not in INTENTS:
            raise _invalid(None, name, None)
        return INTENTS[name]


def _invalid(category: str | None, name: str, intent: Intent | None) -> InvalidIntent:
    suggestions = _suggestions(name)
    if category is not None and category not in CATEGORIES:
        message = f"There is no category {category[:64]!r}; the categories are {', '.join(CATEGORIES)}."
    elif intent is not None:
        message = f"The intent {name!r} belongs to the category {intent.category!r}, not to {category!r}."
    else:
        hint = f" Did you mean {' or '.join(suggestions)}?" if suggestions else " GET /intents lists them all."
        message = f"{name[:64]!r} is not an intent; one is named <domain>.<action>, like message.send.sms.{hint}"
    return InvalidIntent(message, intent=name[:64], categories=list(CATEGORIES), did_you_mean=suggestions)


def _suggestions(name: str) -> list[str]:
    """Names spelled alike, else those that share a word with it (`sms`, `send_sms`)."""
    alike = get_close_matches(name[:64].lower(), INTENTS, n=1, cutoff=0.7)
    words = set(name[:64].lower().replace("_", ".").replace("-", ".").split("."))
    return alike or [known for known in INTENTS if known.rsplit(".", 1)[-1] in words][:3]


# --- Building blocks of the schemas ---


def _object(*required: str, **members: Schema) -> Schema:
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def _text(maximum: int, description: str = "", **more: Any) -> Schema:
    schema = {"type": "string", "minLength": 1, "maxLength": maximum, **more}
    return {**schema, "description": description} if description else schema


def _whole(minimum: int, maximum: int, description: str = "") -> Schema:
    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return {**schema, "description": description} if description else schema


def _list(items: Schema, maximum: int, minimum: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": minimum, "maxItems": maximum}


def _one_of(schema: Schema, *names: str) -> Schema:
    return {**schema, "oneOf": [{"required": [name]} for name in names]}


def _any_of(schema: Schema, *names: str) -> Schema:
    return {**schema, "anyOf": [{"required": [name]} for name in names]}


PHONE: Schema = {
    "type": "string",
    "format": "e164",
    "pattern": r"^\+[1-9][0-9]{6,14}$",
    "description": "a phone number in E.164 format: +<country code><number>, such as +14155552671",
}
EMAIL = _text(254, "an e-mail address, such as ada@example.com", format="email")
URL = _text(2000, "an absolute http or https URL without a user name", format="uri")
# A line break in a header is how one message becomes two.
LINE = r"^[^\x00-\x1f\x7f]*$"
FILE_NAME = _text(255, "a file name without a path or control characters", pattern=r"^[^/\\\x00-\x1f\x7f]+$")
MEDIA_TYPE = _text(127, "a media type, such as image/png", pattern=r"^[\w.+-]+/[\w.+-]+(; ?[\w.+-]+=[\w.+-]+)*$")
TTL = _whole(1, 2_419_200, "seconds, at most 28 days")
REFERENCE = _text(100, "the caller's own id for this message, in one line", pattern=LINE)
HEADERS: Schema = {
    "type": "object",
    "maxProperties": 50,
    "propertyNames": {"pattern": r"^[A-Za-z0-9-]{1,64}$", "description": "a header name: letters, digits and hyphens"},
    "additionalProperties": {"type": "string", "maxLength": 2000, "pattern": LINE, "description": "one line of text"},
}
VARIABLES: Schema = {"type": "object", "maxProperties": 200, "description": "values of a template's variables by name"}
CONTENT: Schema = {
    "type": "string",
    "maxLength": 16 * MIB,
    "contentEncoding": "base64",
    "description": "the bytes in base64",
}
KEY = _text(1024, "an object key of at most 1024 characters without control characters", pattern=r"^[^\x00-\x1f\x7f]+$")
BUCKET = _text(63, "a bucket name: 3 to 63 of a-z, 0-9, dot and hyphen", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
# Version 0 is base58; version 1 names its base by the first letter: https://github.com/multiformats/cid
CID = _text(
    128,
    "an IPFS content identifier, such as bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
    pattern=r"^(Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{20,}|k[a-z0-9]{20,}|z[1-9A-HJ-NP-Za-km-z]{20,}|f[0-9a-f]{20,})$",
)

# --- messaging ---

_SMS = _object(
    "to", "text", to=PHONE, text=_text(1600), **{"from": _text(20)}, ttl_seconds=TTL, reference=REFERENCE
)  # fmt: skip

_ATTACHMENT = _one_of(
    _object("filename", filename=FILE_NAME, content_type=MEDIA_TYPE, content=CONTENT, url=URL), "content", "url"
)
_EMAIL = _any_of(
    _object(
        "to",
        "subject",
        to=_list(EMAIL, 50),
        subject=_text(998, "one line of text", pattern=LINE),
        text=_text(MIB),
        html=_text(MIB),
        cc=_list(EMAIL, 50, 0),
        bcc=_list(EMAIL, 50, 0),
        reply_to=EMAIL,
        attachments=_list(_ATTACHMENT, 20, 0),
        headers=HEADERS,
        tags=_list(_text(64), 10, 0),
        template_id=_text(100),
        variables=VARIABLES,
        **{"from": EMAIL},
    ),
    "text",
    "html",
    "template_id",
)

_TEMPLATE_PARAMETERS = _object(
    header=_list(_text(1024), 10, 0),
    body={
        "type": ["array", "object"],
        "items": _text(1024),
        "additionalProperties": _text(1024),
        "maxItems": 100,
        "maxProperties": 100,
    },
    buttons=_list(_object("index", "value", index=_whole(0, 9), value=_text(2000)), 10, 0),
)
_TEMPLATE = _object("name", "language", name=_text(512), language=_text(16), params=_TEMPLATE_PARAMETERS)
_MEDIA = _one_of(
    _object(
        "type",
        type={"type": "string", "enum": ["image", "audio", "video", "document", "sticker"]},
        url=URL,
        media_id=_text(100),
        caption=_text(1024),
        filename=FILE_NAME,
    ),
    "url",
    "media_id",
)
_WHATSAPP = _one_of(
    _object(
        "to",
        to=PHONE,
        text=_text(4096),
        template=_TEMPLATE,
        media=_MEDIA,
        interactive={"type": "object", "minProperties": 1, "maxProperties": 20},
        reply_to=_text(200),
        fallback_template=_TEMPLATE,
    ),
    "text",
    "template",
    "media",
    "interactive",
)

_PUSH = _one_of(
    _object(
        "title",
        "body",
        token=_text(4096),
        topic=_text(200),
        title=_text(200),
        body=_text(4000),
        data={"type": "object", "maxProperties": 50, "additionalProperties": {"type": "string", "maxLength": 4000}},
        image_url=URL,
        ttl_seconds=TTL,
        collapse_key=_text(64),
        priority={"type": "string", "enum": ["normal", "high"]},
    ),
    "token",
    "topic",
)

_CHAT = _object(
    "channel",
    "text",
    channel=_text(200),
    text=_text(40_000),
    blocks=_list({"type": "object"}, 50, 0),
    thread_id=_text(200),
    attachments=_list({"type": "object"}, 20, 0),
)

# --- storage and automation ---

_PUT_OBJECT = _one_of(
    _object("key", bucket=BUCKET, key=KEY, content=CONTENT, url=URL, content_type=MEDIA_TYPE), "content", "url"
)
_OBJECT = _object("key", bucket=BUCKET, key=KEY)
_PRESIGN = _object(
    "key",
    bucket=BUCKET,
    key=KEY,
    method={"type": "string", "enum": ["GET", "PUT"], "default": "GET"},
    # Signature version 4 allows seven days: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    expires=_whole(1, 604_800, "seconds, at most seven days"),
)
_ADD_IPFS = _one_of(_object(content=CONTENT, url=URL, name=FILE_NAME), "content", "url")
_CID = _object("cid", cid=CID)
_PIN = _object("cid", cid=CID, name=FILE_NAME)
_HTTP = _object(
    "url",
    url=URL,
    method={"type": "string", "enum": ["POST", "PUT", "PATCH", "DELETE", "GET"], "default": "POST"},
    headers=HEADERS,
    body={"description": "any JSON value"},
)

_EXAMPLE_CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
_EXAMPLE_CONTENT = "aGVsbG8="


def _messaging(channel: str, summary: str, schema: Schema, /, **example: Any) -> Intent:
    return Intent(f"message.send.{channel}", "messaging", summary, schema, example)


def _storage(action: str, summary: str, schema: Schema, *, acts: bool = True, **example: Any) -> Intent:
    return Intent(f"storage.{action}", "storage", summary, schema, example, acts=acts, lowest_role="organizer")


_ALL = (
    _messaging("sms", "Send a text message to a phone.", _SMS, to="+14155552671", text="Your code is 4921."),
    _messaging(
        "email", "Send an e-mail.", _EMAIL, to=["ada@example.com"], subject="Your receipt", text="Thank you, Ada."
    ),
    _messaging(
        "whatsapp",
        "Send a WhatsApp message: text, an approved template, media or an interactive message.",
        _WHATSAPP,
        to="+14155552671",
        template={"name": "order_shipped", "language": "en", "params": {"body": ["Ada", "A-1042"]}},
    ),
    _messaging("push", "Notify a device or a topic.", _PUSH, topic="order-A-1042", title="Shipped", body="On its way."),
    _messaging("chat", "Post to a channel of a chat.", _CHAT, channel="#orders", text="Order A-1042 was shipped."),
    _storage(
        "put.object", "Store an object.", _PUT_OBJECT,
        key="receipts/A-1042.txt", content=_EXAMPLE_CONTENT, content_type="text/plain",
    ),
    _storage("get.object", "Read an object.", _OBJECT, acts=False, key="receipts/A-1042.txt"),
    _storage("delete.object", "Delete an object.", _OBJECT, key="receipts/A-1042.txt"),
    _storage(
        "presign.object", "Make a URL that gives access to one object for a while.", _PRESIGN, acts=False,
        key="receipts/A-1042.txt", method="GET", expires=3600,
    ),
    _storage("add.ipfs", "Add a file to IPFS.", _ADD_IPFS, content=_EXAMPLE_CONTENT, name="hello.txt"),
    _storage("pin.ipfs", "Keep content that is already on IPFS.", _PIN, cid=_EXAMPLE_CID, name="hello.txt"),
    _storage("get.ipfs", "Read content from IPFS.", _CID, acts=False, cid=_EXAMPLE_CID),
    _storage("unpin.ipfs", "Stop keeping content on IPFS.", _CID, cid=_EXAMPLE_CID),
    Intent(
        "webhook.send.http",
        "automation",
        "Send an HTTP request to an address of the tenant's own.",
        _HTTP,
        {"url": "https://example.com/hooks/orders", "method": "POST", "body": {"order": "A-1042"}},
        lowest_role="organizer",
    ),
)  # fmt: skip

INTENTS: dict[str, Intent] = {intent.name: intent for intent in _ALL}
CATEGORIES = ("messaging", "storage", "automation")
