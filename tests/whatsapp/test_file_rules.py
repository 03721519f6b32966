"""What Meta takes of each kind, and files that are another than they say."""

import pytest

from whatsapp.file_rules import HEAD, LARGEST_STILL_STICKER, RULES, fault, largest_inbound, type_by_content

MIB = 1024 * 1024
STILL = b"RIFF\x00\x00\x00\x00WEBPVP8 "
ANIMATED = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02"
# Files begin so; each by another hand than ours.
BEGINNINGS = {
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "image/webp": STILL,
    "video/mp4": b"\x00\x00\x00\x20ftypisom",
    "video/3gpp": b"\x00\x00\x00\x18ftyp3gp4",
    "audio/mp4": b"\x00\x00\x00\x20ftypM4A ",
    "audio/ogg": b"OggS\x00\x02" + bytes(21) + b"\x13OpusHead",
    "audio/amr": b"#!AMR\n<",
    "application/pdf": b"\n\n%PDF-1.7",
    "application/msword": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": b"PK\x03\x04\x14\x00",
    "text/plain": b"anything",
    "audio/mpeg": b"ID3\x04",
    "audio/aac": b"\xff\xf1",
}
KINDS = {name: kind for kind, rule in RULES.items() for name in rule.types}


@pytest.mark.parametrize("content_type", BEGINNINGS)
def test_a_file_that_is_what_it_says_is_taken(content_type: str) -> None:
    assert fault(KINDS[content_type], content_type, 1000, BEGINNINGS[content_type]) is None


@pytest.mark.parametrize("content_type", sorted(set(BEGINNINGS) - {"text/plain", "audio/mpeg", "audio/aac"}))
def test_a_file_that_is_another_than_it_says_is_not(content_type: str) -> None:
    found = fault(KINDS[content_type], content_type, 1000, b"<html><title>Sign in</title>")
    assert found is not None
    assert (found.part, found.reason) == ("content", "not_of_its_type")


def test_sound_in_a_container_of_another_coding_is_not_opus() -> None:
    assert fault("audio", "audio/ogg", 1000, b"OggS\x00\x02" + bytes(21) + b"\x1e\x01vorbis") is not None


@pytest.mark.parametrize(("kind", "content_type", "largest"), [
    ("image", "image/png", 5 * MIB), ("video", "video/mp4", 16 * MIB), ("audio", "audio/amr", 16 * MIB),
    ("document", "application/pdf", 100 * MIB)])  # fmt: skip
def test_a_file_may_be_as_large_as_meta_takes_it_and_no_larger(kind: str, content_type: str, largest: int) -> None:
    head = BEGINNINGS[content_type]
    assert fault(kind, content_type, largest, head) is None
    found = fault(kind, content_type, largest + 1, head)
    assert found is not None
    assert (found.part, found.reason) == ("content", "too_large")


def test_a_sticker_that_moves_may_be_larger() -> None:
    assert fault("sticker", "image/webp", LARGEST_STILL_STICKER, STILL) is None
    assert fault("sticker", "image/webp", LARGEST_STILL_STICKER + 1, STILL) is not None
    assert fault("sticker", "image/webp", LARGEST_STILL_STICKER + 1, ANIMATED) is None
    assert fault("sticker", "image/webp", 500 * 1024 + 1, ANIMATED) is not None


def test_an_empty_file_is_none() -> None:
    found = fault("document", "text/plain", 0, b"")
    assert found is not None
    assert found.reason == "empty"


def test_a_type_of_another_kind_is_not_taken() -> None:
    found = fault("image", "image/gif", 10, b"GIF89a")
    assert found is not None
    assert (found.part, found.expected) == ("type", "one of image/jpeg, image/png for a message of type image")


def test_a_file_tells_by_itself_what_it_is() -> None:
    assert type_by_content("image", BEGINNINGS["image/png"]) == "image/png"
    assert type_by_content("image", BEGINNINGS["application/pdf"]) == ""


@pytest.mark.parametrize("head", [b"", b"\x89", b"RIFF", bytes(HEAD)])
def test_a_beginning_cut_short_is_no_fault_of_ours(head: bytes) -> None:
    assert all(fault(kind, name, 1000, head) or name in ("text/plain", "audio/mpeg", "audio/aac")
               for name, kind in KINDS.items())  # fmt: skip


def test_what_customers_send_may_be_larger_than_what_they_get() -> None:
    assert [largest_inbound(kind) // MIB for kind in ("image", "sticker", "video", "document", "")] == [
        16, 1, 100, 100, 100]  # fmt: skip
