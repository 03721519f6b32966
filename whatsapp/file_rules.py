"""What Meta takes of each kind of file, and what files of each type begin with.

A file that is another than its type says is the commonest fault of an upload, and Meta tells of it by a webhook alone.
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
"""

import re
from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024
# As much of a file as `fault` has to see.
HEAD = 2048


@dataclass(frozen=True, slots=True)
class Rule:
    """What Meta takes of one kind; `largest` in bytes. The first type is that of a file of which nothing is known."""

    largest: int
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong (`part` is the `type` or the `content`), in a lower_snake word, and what would be right."""

    part: str
    reason: str
    expected: str


_OFFICE = "application/vnd.openxmlformats-officedocument"
_OOXML = tuple(
    f"{_OFFICE}.{each}" for each in ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation")
)
_OLE = ("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint")
RULES = {
    "image": Rule(5 * MIB, ("image/jpeg", "image/png")),
    "video": Rule(16 * MIB, ("video/mp4", "video/3gpp")),
    "audio": Rule(16 * MIB, ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg")),
    "sticker": Rule(500 * KIB, ("image/webp",)),
    "document": Rule(100 * MIB, ("application/pdf", "text/plain", *_OLE, *_OOXML)),
}
LARGEST_STILL_STICKER = 100 * KIB
# A customer may send more than a business, up to 100 MB, beyond which Meta itself sends an error (131052) instead.
LARGEST_INBOUND = {"image": 16 * MIB, "sticker": MIB}
LARGEST_OF_ALL = 100 * MIB

# The types of which no file begins otherwise. Of ogg Meta takes Opus alone; a protected document of a new kind looks
# like an old one.
_ISO_MEDIA = rb".{4}(ftyp|styp|moov|mdat|free|skip|wide)"
_BEGINNINGS = {
    "image/jpeg": rb"\xff\xd8\xff",
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/webp": rb"RIFF.{4}WEBP",
    "video/mp4": _ISO_MEDIA,
    "video/3gpp": _ISO_MEDIA,
    "audio/mp4": _ISO_MEDIA,
    "audio/ogg": rb"OggS.{24}OpusHead",
    "audio/amr": rb"#!AMR",
    "application/pdf": rb".{0,1024}%PDF-",
    **dict.fromkeys(_OLE, rb"\xd0\xcf\x11\xe0"),
    **dict.fromkeys(_OOXML, rb"PK\x03\x04|\xd0\xcf\x11\xe0"),
}
_BEGINNING = {name: re.compile(pattern, re.DOTALL) for name, pattern in _BEGINNINGS.items()}
_ANIMATED = re.compile(rb"RIFF.{4}WEBPVP8X.{4}(.)", re.DOTALL)
_ANIMATION = 0x02


def fault(kind: str, content_type: str, size: int, head: bytes) -> Fault | None:
    """Why Meta would refuse this file as a message of this kind; None where it would not. `head` is its first bytes."""
    rule = RULES[kind]
    if content_type not in rule.types:
        return Fault("type", "not_allowed", f"one of {', '.join(rule.types)} for a message of type {kind}")
    largest = _largest(kind, head)
    if not 0 < size <= largest:
        reason = "too_large" if size else "empty"
        return Fault("content", reason, f"a file of 1 to {largest} bytes, which is what WhatsApp takes of this type")
    beginning = _BEGINNING.get(content_type)
    if beginning and not beginning.match(head):
        return Fault("content", "not_of_its_type", f"a file of {content_type}: this one does not begin like one")
    return None


def type_by_content(kind: str, head: bytes) -> str:
    """The first type of this kind that the file begins like; empty where it is like none."""
    known = (name for name in RULES[kind].types if name in _BEGINNING)
    return next((name for name in known if _BEGINNING[name].match(head)), "")


def largest_inbound(kind: str) -> int:
    """How large a file of this kind may be that a customer has sent; in bytes. An empty kind is one not known."""
    return LARGEST_INBOUND.get(kind, LARGEST_OF_ALL)


def _largest(kind: str, head: bytes) -> int:
    animated = _ANIMATED.match(head)
    if kind == "sticker" and not (animated and animated[1][0] & _ANIMATION):
        return LARGEST_STILL_STICKER
    return RULES[kind].largest
